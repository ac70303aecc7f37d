// SPDX-License-Identifier: MIT
#pragma once
#include <vector>

#include "config/table.h"

/// The parts that keys() puts together.
namespace sb::config {

void add_general_keys(std::vector<Key>& out);
void add_store_keys(std::vector<Key>& out);
void add_redis_store_keys(std::vector<Key>& out);
void add_listener_keys(std::vector<Key>& out);
void add_security_keys(std::vector<Key>& out);
void add_limit_keys(std::vector<Key>& out);
void add_log_keys(std::vector<Key>& out);

/// Of a text that is a URL of Redis, or empty.
std::string check_redis_url(const Value& v);

}  // namespace sb::config
