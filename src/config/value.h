// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace sb::config {

/// A checked value in the form that the table of keys works with:
/// bool for booleans; std::uint64_t for numbers, sizes (bytes), durations (the key's unit) and modes;
/// std::string for texts, choices and addresses; a vector for lists and for certificates ("name=cert,key"
/// each).
using Value = std::variant<bool, std::uint64_t, std::string, std::vector<std::string>>;

/// A value as it was written, before anyone knows whether its key takes such a value.
struct Raw {
  enum class Kind : std::uint8_t {
    untyped,  ///< characters from the environment or --set: the key's type decides what they mean
    boolean,
    integer,
    floating,
    string,
    array,
    table,
    other,  ///< dates and times
  };
  Kind kind = Kind::untyped;
  bool octal = false;              ///< integer written as 0o…
  unsigned line = 0;               ///< in the file, 1 = first; 0 = unknown
  std::int64_t integer = 0;        ///< integer; boolean: 0 or 1
  std::string text;                ///< untyped and string: the characters; other scalars: as printed
  std::vector<Raw> items;          ///< array and table: the values
  std::vector<std::string> names;  ///< table: the keys of items
};

/// `raw` as an error message shows it: one line, printable, shortened.
std::string show(const Raw& raw);

/// `s` as a TOML basic string, in quotes. Control characters and bytes that are not UTF-8 are escaped, so
/// that it is safe to print (the latter as U+FFFD).
std::string quote(std::string_view s);
/// A URL with `***` in place of the password, if it has one.
std::string without_password(std::string_view url);

/// "4MiB" or "1000": the largest binary unit that divides `bytes`.
std::string format_size(std::uint64_t bytes);

/// "10s" or "500ms" for `n` units of `unit_ms` milliseconds.
std::string format_duration(std::uint64_t n, std::uint64_t unit_ms);

/// Reads a size: digits, optionally a unit (B, KB, MB, GB, TB of 1000; KiB, MiB, GiB, TiB of 1024; any case).
/// False when it is none, and `problem` says why.
bool parse_size(std::string_view text, std::uint64_t& bytes, std::string& problem);

/// Reads a duration: digits, optionally a unit (ms, s, m, h, d); without one seconds. False when it is none.
bool parse_duration(std::string_view text, std::uint64_t& milliseconds, std::string& problem);

}  // namespace sb::config
