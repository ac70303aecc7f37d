// SPDX-License-Identifier: MIT
#pragma once
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_members.h"

/// What `signalbox ctl` prints for people, from what the API says.
namespace sb::app {

/// Rows in columns that are as wide as they have to be. Control characters become "?".
class ColumnTable {
 public:
  explicit ColumnTable(std::vector<std::string> header) { add(std::move(header)); }
  void add(std::vector<std::string> row);
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
  std::vector<std::size_t> widths_;  ///< in characters
};

/// A name that somebody else chose, fit for a terminal.
std::string shown(std::string_view name);
/// "3 d 4 h", "12 min 5 s".
std::string duration_text(std::uint64_t seconds);
/// An answer of /api/v1/status.
std::string status_text(const boost::json::object& status);
/// Clients of /api/v1/clients.
std::string clients_text(const boost::json::array& clients);
/// "a: no answer, b: its reason": the nodes that have not said what was asked. "" = all have.
std::string missing_text(const boost::json::object& answer, std::string_view between = ", ");

}  // namespace sb::app
