// SPDX-License-Identifier: MIT
#pragma once
#include <boost/system/error_category.hpp>
#include <boost/system/error_code.hpp>
#include <type_traits>

namespace sb::client {

enum class errc {
  not_connected = 1,     ///< no session with the broker: not yet, or not any more
  window_full,           ///< as many unacknowledged publishes as the window allows; Handler::on_room() follows
  output_full,           ///< the output limit is reached; Handler::on_room() follows
  too_many_requests,     ///< too many SUBSCRIBE and UNSUBSCRIBE are unanswered
  packet_too_large,      ///< larger than the broker or the protocol allows
  qos_not_supported,     ///< the broker's Maximum QoS is lower
  retain_not_supported,  ///< the broker has said that it keeps no retained messages
  refused,               ///< CONNACK with a failure
  server_disconnect,     ///< DISCONNECT from the broker
  protocol_error,        ///< the broker broke the protocol
  keep_alive_timeout,    ///< no answer to PINGREQ
  connection_closed,     ///< the broker closed the connection without a word
  timed_out,             ///< connecting took too long
  no_address,            ///< the host name has no address
  bad_url,
  tls_failed,
  websocket_failed,
};

const boost::system::error_category& category();
inline boost::system::error_code make_error_code(errc e) { return {static_cast<int>(e), category()}; }

}  // namespace sb::client

template <>
struct boost::system::is_error_code_enum<sb::client::errc> : std::true_type {};
