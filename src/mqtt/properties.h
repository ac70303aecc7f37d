// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mqtt/protocol.h"
#include "mqtt/reader.h"
#include "mqtt/reason.h"

namespace sb::mqtt {

/// Property identifiers [MQTT5 2.2.2.2].
enum class PropertyId : std::uint8_t {
  payload_format_indicator = 0x01,
  message_expiry_interval = 0x02,
  content_type = 0x03,
  response_topic = 0x08,
  correlation_data = 0x09,
  subscription_identifier = 0x0B,
  session_expiry_interval = 0x11,
  assigned_client_identifier = 0x12,
  server_keep_alive = 0x13,
  authentication_method = 0x15,
  authentication_data = 0x16,
  request_problem_information = 0x17,
  will_delay_interval = 0x18,
  request_response_information = 0x19,
  response_information = 0x1A,
  server_reference = 0x1C,
  reason_string = 0x1F,
  receive_maximum = 0x21,
  topic_alias_maximum = 0x22,
  topic_alias = 0x23,
  maximum_qos = 0x24,
  retain_available = 0x25,
  user_property = 0x26,
  maximum_packet_size = 0x27,
  wildcard_subscription_available = 0x28,
  subscription_identifier_available = 0x29,
  shared_subscription_available = 0x2A,
};

/// Where a set of properties stands: which ones are allowed there.
enum class PropertyPlace : std::uint8_t {
  connect,
  connack,
  publish,
  will,
  puback,
  pubrec,
  pubrel,
  pubcomp,
  subscribe,
  suback,
  unsubscribe,
  unsuback,
  disconnect,
  auth,
};

/// A decoded set of properties; views into the packet. A value is meaningful only when has(id).
struct Properties {
  std::uint64_t present = 0;  ///< bit n = identifier n
  bool has(PropertyId id) const { return present >> static_cast<unsigned>(id) & 1; }

  std::uint8_t payload_format_indicator, request_problem_information, request_response_information, maximum_qos,
      retain_available, wildcard_subscription_available, subscription_identifier_available,
      shared_subscription_available;
  std::uint16_t server_keep_alive, receive_maximum, topic_alias_maximum, topic_alias;
  std::uint32_t message_expiry_interval, session_expiry_interval, will_delay_interval, maximum_packet_size;
  std::string_view content_type, response_topic, correlation_data, assigned_client_identifier, authentication_method,
      authentication_data, response_information, server_reference, reason_string;
  std::vector<std::uint32_t> subscription_identifiers;              ///< several only in a PUBLISH to a client
  std::vector<std::pair<std::string_view, std::string_view>> user;  ///< in order [MQTT-3.3.2-18]
  std::string_view raw;  ///< all of them as encoded, without the length in front

  /// Decodes the length and the properties behind it from `r`. Success, malformed_packet or protocol_error (one that is
  /// not allowed in `place`, that stands twice, or whose value is out of its range).
  Reason decode(Reader& r, PropertyPlace place);
};

/// The properties of a PUBLISH that the broker passes on, without the ones that it rewrites (message expiry, topic
/// alias, subscription identifier): a view into `raw` when there is nothing to leave out, else the rest copied to
/// `scratch`.
std::string_view forwarded_properties(const Properties& p, std::string& scratch);

}  // namespace sb::mqtt
