// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <cassert>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "config/table.h"

/// Builders of rows, for the keys*.cc files only.
namespace sb::config {

/// The field of a row: a member path, good for a const and a mutable object alike.
#define SB_FIELD(path) \
  [](auto& c) -> auto& { return c.path; }

/// Adds rows to a table, for fields of Config or of ListenerConfig. The get and set of a row are made from
/// the field's type, so a row names its field once.
template <class Target>
class Rows {
 public:
  /// `kinds`: 0 for Config; for ListenerConfig bit n says that listeners of ListenerKind n have these rows.
  explicit Rows(std::vector<Key>& out, unsigned kinds = 0) : out_(out), kinds_(kinds) {}

  template <class F>
  Key& boolean(std::string_view name, F field, Takes takes, std::string_view doc) {
    return add(
        name, Type::boolean, field, {}, takes, doc, [](bool f) -> Value { return f; },
        [](bool& f, const Value& v) { f = std::get<bool>(v); });
  }
  template <class F>
  Key& number(std::string_view name, F field, Bounds bounds, Takes takes, std::string_view doc) {
    return unsigned_row(name, Type::number, field, bounds, takes, doc);
  }
  template <class F>
  Key& size(std::string_view name, F field, Bounds bounds, Takes takes, std::string_view doc) {
    return unsigned_row(name, Type::size, field, bounds, takes, doc);
  }
  /// The field counts seconds.
  template <class F>
  Key& duration(std::string_view name, F field, Bounds bounds, Takes takes, std::string_view doc) {
    return unsigned_row(name, Type::duration, field, bounds, takes, doc);
  }
  template <class F>
  Key& mode(std::string_view name, F field, Takes takes, std::string_view doc) {
    return unsigned_row(name, Type::mode, field, {0, 0777}, takes, doc);
  }
  template <class F>
  Key& text(std::string_view name, F field, Bounds length, Takes takes, std::string_view doc) {
    return add(
        name, Type::text, field, length, takes, doc, [](const std::string& f) -> Value { return f; },
        [](std::string& f, const Value& v) { f = std::get<std::string>(v); });
  }
  template <class F>
  Key& list(std::string_view name, F field, Takes takes, std::string_view doc) {
    using List = std::vector<std::string>;
    return add(
        name, Type::list, field, {}, takes, doc, [](const List& f) -> Value { return f; },
        [](List& f, const Value& v) { f = std::get<List>(v); });
  }
  template <class F>
  Key& address(std::string_view name, F field, Takes takes, std::string_view doc) {
    return add(
        name, Type::address, field, {}, takes, doc, [](const Address& f) -> Value { return f.text(); },
        [](Address& f, const Value& v) {
          std::string problem;
          f = parse_address(std::get<std::string>(v), problem).value_or(Address{});
        });
  }
  /// `names`: static, one per enumerator, in their order.
  template <class F>
  Key& choice(std::string_view name, F field, std::span<const std::string_view> names, Takes takes,
              std::string_view doc) {
    Key& key = add(
        name, Type::choice, field, {}, takes, doc,
        [names](auto f) -> Value { return std::string(names[static_cast<std::size_t>(f)]); },
        [names](auto& f, const Value& v) {
          for (std::size_t i = 0; i < names.size(); ++i) {
            if (names[i] == std::get<std::string>(v)) f = static_cast<std::remove_reference_t<decltype(f)>>(i);
          }
        });
    key.choices = names;
    return key;
  }
  template <class F>
  Key& certificates(std::string_view name, F field, Takes takes, std::string_view doc) {
    return add(
        name, Type::certificates, field, {}, takes, doc,
        [](const std::vector<SniCertificate>& f) -> Value {
          std::vector<std::string> out;
          for (const auto& c : f) out.push_back(c.name + '=' + c.cert + ',' + c.key);
          return out;
        },
        [](std::vector<SniCertificate>& f, const Value& v) {
          f.clear();
          for (const auto& s : std::get<std::vector<std::string>>(v)) {  // parse_value has checked the form
            auto equals = s.find('='), comma = s.rfind(',');
            f.push_back({s.substr(0, equals), s.substr(equals + 1, comma - equals - 1), s.substr(comma + 1)});
          }
        });
  }

 private:
  template <class F>
  Key& unsigned_row(std::string_view name, Type type, F field, Bounds bounds, Takes takes, std::string_view doc) {
    Key& key = add(
        name, type, field, bounds, takes, doc, [](auto f) -> Value { return std::uint64_t{f}; },
        [](auto& f, const Value& v) {
          f = static_cast<std::remove_reference_t<decltype(f)>>(std::get<std::uint64_t>(v));
        });
    using Field = std::remove_reference_t<decltype(field(std::declval<Target&>()))>;
    static_assert(std::is_unsigned_v<Field>);
    assert(bounds.min <= bounds.max && bounds.max <= std::numeric_limits<Field>::max());
    return key;
  }

  template <class AnyConfig>
  static auto& target(AnyConfig& c, [[maybe_unused]] std::size_t listener) {
    if constexpr (std::is_same_v<Target, Config>) {
      return c;
    } else {
      return c.listeners[listener];
    }
  }
  template <class F, class Read, class Write>
  Key& add(std::string_view name, Type type, F field, Bounds bounds, Takes takes, std::string_view doc, Read read,
           Write write) {
    Key& key = out_.emplace_back();
    key.name = name;
    key.type = type;
    key.bounds = bounds;
    key.takes = takes;
    key.doc = doc;
    key.kinds = kinds_;
    key.get = [field, read](const Config& c, std::size_t i) { return read(field(target(c, i))); };
    key.set = [field, write](Config& c, std::size_t i, const Value& v) { write(field(target(c, i)), v); };
    return key;
  }

  std::vector<Key>& out_;
  unsigned kinds_;
};

}  // namespace sb::config
