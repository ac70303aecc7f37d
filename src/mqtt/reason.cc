// SPDX-License-Identifier: MIT
#include "mqtt/reason.h"

namespace sb::mqtt {

const char* text(Reason r) {
  switch (r) {
    case Reason::success:
      return "success";
    case Reason::granted_qos1:
      return "granted QoS 1";
    case Reason::granted_qos2:
      return "granted QoS 2";
    case Reason::disconnect_with_will:
      return "disconnect with will message";
    case Reason::no_matching_subscribers:
      return "no matching subscribers";
    case Reason::no_subscription_existed:
      return "no subscription existed";
    case Reason::continue_authentication:
      return "continue authentication";
    case Reason::reauthenticate:
      return "re-authenticate";
    case Reason::unspecified_error:
      return "unspecified error";
    case Reason::malformed_packet:
      return "malformed packet";
    case Reason::protocol_error:
      return "protocol error";
    case Reason::implementation_specific_error:
      return "implementation specific error";
    case Reason::unsupported_protocol_version:
      return "unsupported protocol version";
    case Reason::client_identifier_not_valid:
      return "client identifier not valid";
    case Reason::bad_user_name_or_password:
      return "bad user name or password";
    case Reason::not_authorized:
      return "not authorized";
    case Reason::server_unavailable:
      return "server unavailable";
    case Reason::server_busy:
      return "server busy";
    case Reason::banned:
      return "banned";
    case Reason::server_shutting_down:
      return "server shutting down";
    case Reason::bad_authentication_method:
      return "bad authentication method";
    case Reason::keep_alive_timeout:
      return "keep alive timeout";
    case Reason::session_taken_over:
      return "session taken over";
    case Reason::topic_filter_invalid:
      return "topic filter invalid";
    case Reason::topic_name_invalid:
      return "topic name invalid";
    case Reason::packet_identifier_in_use:
      return "packet identifier in use";
    case Reason::packet_identifier_not_found:
      return "packet identifier not found";
    case Reason::receive_maximum_exceeded:
      return "receive maximum exceeded";
    case Reason::topic_alias_invalid:
      return "topic alias invalid";
    case Reason::packet_too_large:
      return "packet too large";
    case Reason::message_rate_too_high:
      return "message rate too high";
    case Reason::quota_exceeded:
      return "quota exceeded";
    case Reason::administrative_action:
      return "administrative action";
    case Reason::payload_format_invalid:
      return "payload format invalid";
    case Reason::retain_not_supported:
      return "retain not supported";
    case Reason::qos_not_supported:
      return "QoS not supported";
    case Reason::use_another_server:
      return "use another server";
    case Reason::server_moved:
      return "server moved";
    case Reason::shared_subscriptions_not_supported:
      return "shared subscriptions not supported";
    case Reason::connection_rate_exceeded:
      return "connection rate exceeded";
    case Reason::maximum_connect_time:
      return "maximum connect time";
    case Reason::subscription_identifiers_not_supported:
      return "subscription identifiers not supported";
    case Reason::wildcard_subscriptions_not_supported:
      return "wildcard subscriptions not supported";
  }
  return "unknown reason";
}

Reason connack_reason(Reason r) {
  switch (r) {
    case Reason::session_taken_over:
      return Reason::server_busy;  // somebody else came with the same client id meanwhile
    case Reason::server_shutting_down:
      return Reason::server_unavailable;
    case Reason::administrative_action:
      return Reason::not_authorized;
    default:
      return r;
  }
}

std::uint8_t connack_code_v3(Reason r) {
  switch (r) {
    case Reason::unsupported_protocol_version:
      return 1;
    case Reason::client_identifier_not_valid:
      return 2;
    case Reason::server_unavailable:
    case Reason::server_busy:
    case Reason::quota_exceeded:
    case Reason::connection_rate_exceeded:
    case Reason::session_taken_over:
    case Reason::server_shutting_down:
      return 3;
    case Reason::bad_user_name_or_password:
    case Reason::bad_authentication_method:
      return 4;
    case Reason::not_authorized:
    case Reason::banned:
      return 5;
    default:
      return 0;
  }
}

}  // namespace sb::mqtt
