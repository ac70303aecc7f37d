// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <memory>
#include <optional>
#include <string>

#include "io/tls.h"
#include "io/ws_frame.h"
#include "io/ws_upgrade.h"
#include "net/connection.h"

namespace sb::net {

/// State of the layers between socket and channel.
struct Connection::Layers {
  // PROXY: the bytes of a header that is not complete, and what it said.
  bool proxy_pending = false;
  std::unique_ptr<std::string> proxy_bytes;
  std::unique_ptr<std::string> proxy_peer;
  std::unique_ptr<std::string> identity;  ///< from the client certificate, or what the proxy says of it

  // TLS
  std::unique_ptr<io::TlsStream> tls;
  OutBuffer sealed;  ///< ciphertext that the socket has not taken

  // WebSocket
  std::unique_ptr<io::WsUpgrade> upgrade;  ///< until the upgrade is done
  std::unique_ptr<io::WsDecoder> ws;
  std::unique_ptr<std::string> control;  ///< whole control frames, or the upgrade's answer, to go out between frames
  std::array<char, 10> header{};         ///< of the frame under way
  std::uint8_t header_size = 0, header_sent = 0;
  bool close_sent = false;
  std::size_t frame_left = 0;  ///< bytes of the channel's output that belong to the frame under way
};

}  // namespace sb::net
