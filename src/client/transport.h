// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/out_buffer.h"
#include "base/result.h"
#include "io/tls.h"
#include "io/ws_frame.h"
#include "io/ws_upgrade.h"

namespace sb::client {

/// What lies between MQTT and the socket: TLS, WebSocket, or WebSocket in TLS. No I/O. Owner: a Connection.
class Transport {
 public:
  /// `tls` null: none. `server_name` as for io::TlsStream. The handshakes begin with start().
  Transport(const io::TlsContext* tls, const std::string& server_name,
            std::optional<io::WsClientHandshake::Options> websocket);

  enum class Status { handshake, open, closed, failed };

  void start();
  Status status() const { return status_; }
  /// What is wrong: tls_failed, websocket_failed or an io::tls_errc, and in words.
  error_code error() const { return error_; }
  const std::string& detail() const { return detail_; }

  /// Where plain bytes go: in front of `data` lie Hub::kHeadroom writable bytes, or it is what the caller of
  /// input() gave.
  class Receiver {
   public:
    virtual void on_plain(char* data, std::size_t n) = 0;

   protected:
    ~Receiver() = default;
  };
  /// Takes `n` bytes from the socket, which are overwritten. `scratch`: `capacity` bytes to decipher into.
  void input(char* data, std::size_t n, char* scratch, std::size_t capacity, Receiver& to);
  /// Wraps all of `plain` into wire(). Only when open.
  void output(OutBuffer& plain);
  /// Says goodbye in each layer.
  void close();

  /// What is to be sent.
  OutBuffer& wire() { return wire_; }

 private:
  struct WebSocket {
    explicit WebSocket(io::WsClientHandshake::Options o) : handshake(std::move(o)) {}
    io::WsClientHandshake handshake;
    io::WsDecoder decoder{io::WsRole::client};
    bool open = false;
  };
  void fail(error_code e, std::string detail);
  void fail_tls();
  void tls_ready();
  void tls_input(std::string_view ciphertext, char* scratch, std::size_t capacity, Receiver& to);
  void ws_input(char* data, std::size_t n, Receiver& to);
  void ws_control(io::WsOpcode opcode, std::string_view payload);
  /// Encrypts if there is TLS.
  void send(std::string_view bytes);
  io::TlsOutput into_wire();

  std::optional<io::TlsStream> tls_;
  std::unique_ptr<WebSocket> ws_;
  OutBuffer wire_;
  Status status_ = Status::handshake;
  error_code error_;
  std::string detail_;
};

}  // namespace sb::client
