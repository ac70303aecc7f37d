// SPDX-License-Identifier: MIT
#pragma once
#include <CLI/CLI.hpp>

namespace sb::app {

/// Checks of option values that do not clutter the help text: the option's own text says what is allowed.
template <class T>
CLI::Validator within(T low, T high) {
  return CLI::Range(low, high).description("");
}
inline CLI::Validator positive() { return CLI::Validator(CLI::PositiveNumber).description(""); }
inline CLI::Validator not_negative() { return CLI::Validator(CLI::NonNegativeNumber).description(""); }

}  // namespace sb::app
