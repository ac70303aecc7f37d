// SPDX-License-Identifier: MIT
#include "client/errc.h"

#include <string>

namespace sb::client {
namespace {

class Category final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "client"; }
  std::string message(int value) const override {
    switch (static_cast<errc>(value)) {
      case errc::not_connected:
        return "not connected";
      case errc::window_full:
        return "the window of unacknowledged messages is full";
      case errc::output_full:
        return "the output is full";
      case errc::too_many_requests:
        return "too many requests are unanswered";
      case errc::packet_too_large:
        return "the packet is larger than the broker accepts";
      case errc::qos_not_supported:
        return "the broker does not support this QoS";
      case errc::retain_not_supported:
        return "the broker does not support retained messages";
      case errc::refused:
        return "the broker refused the connection";
      case errc::server_disconnect:
        return "the broker disconnected us";
      case errc::protocol_error:
        return "the broker broke the protocol";
      case errc::keep_alive_timeout:
        return "the broker does not answer";
      case errc::connection_closed:
        return "the broker closed the connection";
      case errc::timed_out:
        return "timed out";
      case errc::no_address:
        return "the host name has no address";
      case errc::bad_url:
        return "not a URL of a broker";
      case errc::tls_failed:
        return "TLS failed";
      case errc::websocket_failed:
        return "the WebSocket upgrade failed";
    }
    return "unknown error";
  }
};

}  // namespace

const boost::system::error_category& category() {
  static const Category c;
  return c;
}

}  // namespace sb::client
