// SPDX-License-Identifier: MIT
#pragma once
#include <functional>
#include <string>

#include "app/cluster_node.h"
#include "config/config.h"
#include "store/embedded.h"
#include "store/service.h"

namespace sb::app {

/// Opens the stores that the configuration names, on the calling thread. Returns what is wrong, "" when they are open.
/// Redis is waited for, with a word of why in the log, until it answers or `ends` says that this process is to end; the
/// node is a member of `cluster` then. `cluster` null: not with Redis.
std::string open_stores(const config::Config& c, store::OnLog on_log, store::Service& out, ClusterNode* cluster,
                        const std::function<bool()>& ends);

}  // namespace sb::app
