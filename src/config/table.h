// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "config/value.h"

/// The table of keys: everything that the loader, the checks, the sample file, the reference page and reload
/// know about a key is in its row. The rows are in keys*.cc.
namespace sb::config {

enum class Type : std::uint8_t {
  boolean,
  number,
  size,      ///< bytes
  duration,  ///< in units of Key::unit_ms
  text,
  choice,
  list,  ///< of texts
  address,
  mode,          ///< octal file permissions
  certificates,  ///< a list of SniCertificate
};

/// Bounds of a number, size, duration (in the field's unit) or mode; of a text its length in bytes.
struct Bounds {
  std::uint64_t min = 0;
  std::uint64_t max = 0;
  bool or_zero = false;  ///< 0 is allowed as well, with a meaning of its own
};

/// What a change needs: `reload` = SIGHUP is enough, `restart` = a new process.
enum class Takes : std::uint8_t { reload, restart };

/// One row. The key of a listener has only its last part as name: it stands in the section of each listener.
struct Key {
  std::string_view name;
  Type type = Type::text;
  Bounds bounds;
  Takes takes = Takes::restart;
  std::string_view doc;                       ///< whole sentences; Markdown code marks allowed
  std::uint64_t unit_ms = 1000;               ///< duration: milliseconds in one unit of the field
  std::span<const std::string_view> choices;  ///< choice: in the order of the enumerators
  unsigned kinds = 0;                         ///< 0 = not a listener's key; else bit n = ListenerKind n has it
  bool extra_only = false;                    ///< only in [[listeners.extra]]
  bool hides_password = false;                ///< text: a URL, of which everything is shown but the password
  /// Further conditions on a well-typed value: "" or what is wrong, then "; " and the remedy.
  std::function<std::string(const Value&)> check;
  std::function<Value(const Config&, std::size_t listener)> get;
  std::function<void(Config&, std::size_t listener, const Value&)> set;

  bool is_listener_key() const { return kinds != 0; }
  bool applies_to(ListenerKind k) const { return (kinds >> static_cast<unsigned>(k) & 1) != 0; }
};

/// All rows, in the order of the reference page. Built once; lives as long as the process.
const std::vector<Key>& keys();

/// A key of a certain configuration: the rows of listeners appear once per listener.
struct Entry {
  const Key* key;
  std::size_t listener;  ///< index in Config::listeners; 0 when it is not a listener's key
  std::string name;      ///< "limits.max_qos", "listeners.mqtt.bind", "listeners.extra[0].bind"
};

/// Every key that exists in `c`, in table order, listener by listener.
std::vector<Entry> entries(const Config& c);

/// The value that `e` has when nothing sets it.
Value default_value(const Config& c, const Entry& e);

/// "listeners.mqtt" of "listeners.mqtt.bind".
std::string_view section_of(std::string_view name);
/// "bind" of "listeners.mqtt.bind".
std::string_view leaf_of(std::string_view name);

/// The value as it is written in a TOML file; a password is hidden.
std::string to_toml(const Key& key, const Value& value);

/// "a size from 16 to 256MiB": what may be written, for error messages and documentation.
std::string allowed(const Key& key);

/// "bytes, or a number with B, …": how a size or a duration is written; "" for other types.
std::string_view units(const Key& key);

/// Checks `raw` against the row. On failure nothing, and `problem` is "what is wrong; what to write instead".
std::optional<Value> parse_value(const Key& key, const Value& fallback, const Raw& raw, std::string& problem);

}  // namespace sb::config
