// SPDX-License-Identifier: MIT
#pragma once
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstdint>
#include <string>
#include <string_view>

/// Members of an object that somebody else wrote; "", 0, false and nothing when they are not there, or of another kind.
namespace sb {

std::string text_of(const boost::json::object& o, std::string_view name);
/// Below 0: 0.
std::uint64_t number_of(const boost::json::object& o, std::string_view name);
bool flag_of(const boost::json::object& o, std::string_view name);
const boost::json::object& object_of(const boost::json::object& o, std::string_view name);
const boost::json::array& array_of(const boost::json::object& o, std::string_view name);

}  // namespace sb
