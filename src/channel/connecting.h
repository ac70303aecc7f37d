// SPDX-License-Identifier: MIT
#pragma once
#include <cstring>
#include <memory>
#include <optional>
#include <string>

#include "channel/channel.h"

namespace sb::channel {

/// What has to be kept of CONNECT while authentication and the session take their time.
struct Channel::Connecting {
  std::string client_id, peer, tls_identity;
  bool assigned_id = false;
  bool admitted = false;
  std::optional<std::string> username, password;
  bool clean_start = false;
  std::uint32_t expiry = 0;  ///< seconds, after the bound was applied
  std::uint32_t asked_expiry = 0;
  std::uint16_t asked_keep_alive = 0;
  bool wants_response_information = false;
  std::unique_ptr<model::WillRecord> will;
  std::unique_ptr<ports::AuthExchange> exchange;  ///< enhanced authentication
  std::string proven;                             ///< user name that it has proven
  std::string auth_data;                          ///< of CONNECT, then for CONNACK

  Connecting() = default;
  Connecting(const Connecting&) = delete;
  Connecting& operator=(const Connecting&) = delete;
  ~Connecting() {
    if (password) explicit_bzero(password->data(), password->size());
  }
};

}  // namespace sb::channel
