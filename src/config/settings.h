// SPDX-License-Identifier: MIT
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/load.h"
#include "config/value.h"

/// From the sources to a flat list of "this key is set to that, there".
namespace sb::config {

/// [[listeners.extra]] may appear so often; a higher index is an error, not an allocation.
inline constexpr std::size_t kMaxExtraListeners = 256;

struct Setting {
  std::string key;  ///< full name, "listeners.extra[0].bind" for extra listeners
  Raw raw;          ///< Kind::table when the section itself is wrong (no such section)
  Origin origin;
};

/// The settings of a document, as they stand. Sections that do not exist appear as one setting without their
/// keys.
void flatten_toml(const Raw& root, std::string_view file, std::vector<Setting>& out);

/// The settings of the environment: SIGNALBOX_SECTION__KEY, in lower case. Variables without "__" are not
/// ours: container platforms make up names such as SIGNALBOX_PORT for a service called signalbox.
void flatten_environment(const Variables& environment, std::vector<Setting>& out);

/// The settings of --set.
void flatten_sets(const std::vector<std::string>& sets, std::vector<Setting>& out, std::vector<Error>& errors);

/// N of "listeners.extra[N]" and of the keys below it.
std::optional<std::size_t> extra_index(std::string_view key);

/// True for the sections of the table of keys and "listeners", "listeners.extra[N]".
bool is_section(std::string_view name);

/// An error at the place of `s`; `with_value` repeats what is written there.
Error error_at(const Setting& s, std::string problem, bool with_value);

}  // namespace sb::config
