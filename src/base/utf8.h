// SPDX-License-Identifier: MIT
#pragma once
#include <string_view>

namespace sb {

/// True when `s` is a UTF-8 Encoded String in the sense of MQTT: well-formed UTF-8 (RFC 3629: no overlong forms, no
/// surrogates D800..DFFF, nothing above 10FFFF) without the null character U+0000. [MQTT-1.5.4-1] [MQTT-1.5.4-2]
bool is_mqtt_utf8(std::string_view s);

/// True when `s` is well-formed UTF-8; U+0000 is allowed (payloads marked as UTF-8).
bool is_utf8(std::string_view s);

}  // namespace sb
