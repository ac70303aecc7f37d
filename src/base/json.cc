// SPDX-License-Identifier: MIT
#include "base/json.h"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/src.hpp>  // the library itself: in this file and in no other

#include "base/result.h"

namespace sb {
namespace {

namespace json = boost::json;

/// Counts the members of all objects as the text has them.
struct MemberCounter {
  static constexpr std::size_t max_object_size = SIZE_MAX, max_array_size = SIZE_MAX, max_key_size = SIZE_MAX,
                               max_string_size = SIZE_MAX;
  std::size_t members = 0;

  bool on_object_end(std::size_t n, error_code&) { return members += n, true; }
  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code&) { return true; }
  bool on_array_begin(error_code&) { return true; }
  bool on_array_end(std::size_t, error_code&) { return true; }
  bool on_key_part(json::string_view, std::size_t, error_code&) { return true; }
  bool on_key(json::string_view, std::size_t, error_code&) { return true; }
  bool on_string_part(json::string_view, std::size_t, error_code&) { return true; }
  bool on_string(json::string_view, std::size_t, error_code&) { return true; }
  bool on_number_part(json::string_view, error_code&) { return true; }
  bool on_int64(std::int64_t, json::string_view, error_code&) { return true; }
  bool on_uint64(std::uint64_t, json::string_view, error_code&) { return true; }
  bool on_double(double, json::string_view, error_code&) { return true; }
  bool on_bool(bool, error_code&) { return true; }
  bool on_null(error_code&) { return true; }
  bool on_comment_part(json::string_view, error_code&) { return true; }
  bool on_comment(json::string_view, error_code&) { return true; }
};

/// The members that all objects of `v` have; of a name that was there twice, the parser kept one.
std::size_t members_of(const json::value& v) {
  std::size_t n = 0;
  if (const json::object* object = v.if_object()) {
    n = object->size();
    for (const auto& member : *object) n += members_of(member.value());
  } else if (const json::array* array = v.if_array()) {
    for (const auto& element : *array) n += members_of(element);
  }
  return n;
}

}  // namespace

std::optional<json::value> parse_json(std::string_view text, std::size_t max_depth) {
  json::parse_options options;
  options.max_depth = max_depth;
  error_code ec;
  json::basic_parser<MemberCounter> counter(options);
  if (counter.write_some(false, text.data(), text.size(), ec) != text.size() || ec) return std::nullopt;
  json::value v = json::parse({text.data(), text.size()}, ec, {}, options);
  if (ec || members_of(v) != counter.handler().members) return std::nullopt;
  return v;
}

}  // namespace sb
