// SPDX-License-Identifier: MIT
#pragma once
#include <vector>

#include "config/table.h"

/// The parts that keys() puts together.
namespace sb::config {

void add_general_keys(std::vector<Key>& out);
void add_listener_keys(std::vector<Key>& out);
void add_security_keys(std::vector<Key>& out);
void add_limit_keys(std::vector<Key>& out);
void add_log_keys(std::vector<Key>& out);

}  // namespace sb::config
