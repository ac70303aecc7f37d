// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/client_properties.h"
#include "client/connection.h"

namespace CLI {
class App;
}

namespace sb::app {

/// The options that client commands have in common: where the broker is, who we are, TLS, WebSocket. As written.
/// Must live as long as the command.
struct ClientFlags {
  std::string host, unix_path, url, bind_address;
  std::optional<std::uint16_t> port;
  std::string id, id_prefix, version, session_expiry;
  std::optional<std::string> username, password;
  std::uint16_t keep_alive = 60;
  bool keep_session = false, nodelay = false, debug = false, quiet = false;
  bool tls = false, insecure = false, websocket = false;
  std::string cafile, capath, cert, key, key_password, tls_version, ciphers, alpn, path;
  std::string will_topic, will_payload;
  std::uint8_t will_qos = 0;
  bool will_retain = false;
  std::vector<std::string> properties;
};

/// What the flags come to.
struct ClientSetup {
  client::Wiring wiring;
  client::Options options;
  PacketProperties properties;
  std::string client_id;
  std::string url_topic;
  std::optional<client::Address> source;
  bool version_given = false;  ///< else 5, and 3.1.1 when the broker does not know 5
};

/// Which of the options a command has.
struct ClientFlagGroups {
  bool session = true;  ///< client id, clean session, expiry, will, properties
};

/// Adds the options. -h is the host, as in other MQTT tools; help is --help.
void add_client_flags(CLI::App& command, ClientFlags& flags, ClientFlagGroups groups = {});

/// Checks the flags and puts them together; `name` ("pub") goes into a generated client id. Throws CLI::ValidationError
/// that names the flag and the remedy. Does not look up the host.
ClientSetup prepare_client(const ClientFlags& flags, const std::string& name);

}  // namespace sb::app
