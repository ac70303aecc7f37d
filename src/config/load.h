// SPDX-License-Identifier: MIT
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config.h"

namespace sb::config {

/// What is wrong with one key, or with a source as a whole.
struct Error {
  std::string where;    ///< "FILE:LINE", "environment SIGNALBOX_X__Y", "--set"; "" = no single place
  std::string key;      ///< "" = the source itself cannot be read
  std::string value;    ///< as written, in quotes if a string; "" = the key itself is wrong
  std::string problem;  ///< what is wrong; what to write instead
  /// One line: "FILE:LINE: key = value: what is wrong; what to write instead".
  std::string text() const;
  bool operator==(const Error&) const = default;
};

/// Where the value of a key comes from.
struct Origin {
  enum class Kind : std::uint8_t { default_value, file, environment, set };
  Kind kind = Kind::default_value;
  std::string name;   ///< file name, or name of the variable
  unsigned line = 0;  ///< in the file
  /// "default", "FILE:LINE", the name of the variable, or "--set".
  std::string text() const;
};

using Variables = std::vector<std::pair<std::string, std::string>>;

/// Everything that a configuration is made of, the weakest first: defaults < file < environment < --set.
struct Sources {
  std::string file;               ///< path of a TOML file, "" = none
  Variables environment;          ///< variables SIGNALBOX_SECTION__KEY; others are ignored
  std::vector<std::string> sets;  ///< "key=value"; the last one of a key holds
  bool check_files = true;        ///< certificates, keys and user files must be readable
};

/// A configuration with what is wrong with it. It may be used only when there are no errors; otherwise the
/// keys in error have their default or the value of a weaker source.
struct Loaded {
  Config config;
  std::vector<Error> errors;              ///< all of them, in the order of the sources
  std::map<std::string, Origin> origins;  ///< by full name of a key, and of an extra listener; not in it: default
  bool ok() const { return errors.empty(); }
  /// All errors, one a line.
  std::string error_text() const;
};

/// Reads the file and merges the sources. An empty node.name becomes the host name. Throws nothing.
Loaded load(const Sources& sources);

/// The same for the contents of a file, called `name` in messages. Touches neither files nor the machine's
/// name.
Loaded load_text(std::string_view toml, std::string_view name, const Variables& environment = {},
                 const std::vector<std::string>& sets = {});

/// The variables of this process that begin with SIGNALBOX_, by name.
Variables process_environment();

}  // namespace sb::config
