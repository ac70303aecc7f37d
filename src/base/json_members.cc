// SPDX-License-Identifier: MIT
#include "base/json_members.h"

namespace sb {

namespace json = boost::json;

std::string text_of(const json::object& o, std::string_view name) {
  const auto* v = o.if_contains(name);
  return v && v->is_string() ? std::string(v->get_string()) : std::string();
}

std::uint64_t number_of(const json::object& o, std::string_view name) {
  const auto* v = o.if_contains(name);
  if (v && v->is_uint64()) return v->get_uint64();
  return v && v->is_int64() && v->get_int64() > 0 ? static_cast<std::uint64_t>(v->get_int64()) : 0;
}

bool flag_of(const json::object& o, std::string_view name) {
  const auto* v = o.if_contains(name);
  return v && v->is_bool() && v->get_bool();
}

const json::object& object_of(const json::object& o, std::string_view name) {
  static const json::object none;
  const auto* v = o.if_contains(name);
  return v && v->is_object() ? v->get_object() : none;
}

const json::array& array_of(const json::object& o, std::string_view name) {
  static const json::array none;
  const auto* v = o.if_contains(name);
  return v && v->is_array() ? v->get_array() : none;
}

}  // namespace sb
