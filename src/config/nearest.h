// SPDX-License-Identifier: MIT
#pragma once
#include <span>
#include <string>
#include <string_view>

namespace sb::config {

/// Edits (insert, delete, replace, swap neighbours) that turn `a` into `b`.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The name that someone who wrote `name` most likely meant, or "" when none is near: few edits away, or with
/// the same last part in another section.
std::string nearest(std::string_view name, std::span<const std::string> names);

}  // namespace sb::config
