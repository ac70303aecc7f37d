// SPDX-License-Identifier: MIT
#pragma once
#include <boost/json/object.hpp>

#include "admin/control.h"

/// What another node has said, from what to_json() made of it there. The node may have another version: what it does
/// not say, or says in another way, has its default.
namespace sb::admin {

NodeStatus node_status(const boost::json::object& o);
model::ClientInfo client_info(const boost::json::object& o);
DrainState drain_state(const boost::json::object& o);

}  // namespace sb::admin
