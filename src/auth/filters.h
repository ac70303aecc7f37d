// SPDX-License-Identifier: MIT
#pragma once
#include <string_view>

/// What two topic filters have to do with each other. Both must be valid and without `$share`; as everywhere, a filter
/// that starts with a wildcard matches no topic that starts with `$` [MQTT-4.7.2-1]. Exact, if the empty topic is taken
/// for one, which only `/#` and the like would match. Nothing is allocated.
namespace sb::auth {

/// True when `a` matches every topic that `b` matches.
bool covers(std::string_view a, std::string_view b);
/// True when there is a topic that both match. Symmetric.
bool overlaps(std::string_view a, std::string_view b);

}  // namespace sb::auth
