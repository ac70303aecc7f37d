// SPDX-License-Identifier: MIT
#pragma once
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <string>
#include <string_view>

#include "admin/control.h"

/// What the API says of things, as JSON (docs/ctl.md).
namespace sb::admin {

/// "3.1", "3.1.1", "5".
std::string_view version_text(std::uint8_t version);
/// "2026-01-31T12:00:00Z"
std::string time_text(WallTime t);

boost::json::object to_json(const std::string& node, const NodeStatus& s);
boost::json::object acknowledgement_json(const SharedStatus& s);
boost::json::object to_json(const std::string& node, const model::ClientInfo& c);
boost::json::object to_json(const std::string& node, const DrainState& s);
boost::json::array to_json(const std::vector<std::string>& names);
boost::json::array to_json(const std::vector<Refusal>& refusals);

}  // namespace sb::admin
