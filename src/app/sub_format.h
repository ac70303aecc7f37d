// SPDX-License-Identifier: MIT
#pragma once
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "mqtt/packets.h"

namespace sb::app {

/// The output format of `sub` (-F), compiled once. The letters are those of mosquitto_sub:
/// %t topic, %p payload, %x %X payload in hex, %l its length, %q QoS, %r retain, %m packet id, %j %J JSON, %I %U time,
/// %A %C %D %E %F %P %R %S properties, @ for strftime, \ escapes; flags 0 and -, width and precision behind the %.
class SubFormat {
 public:
  /// On a letter that does not exist `problem` says so.
  static bool compile(std::string_view text, SubFormat& out, std::string& problem);
  /// Payload only, or topic and payload.
  static SubFormat plain(bool with_topic);

  /// Appends the message as formatted, without a line end. `now`: time of arrival. False when %J met a payload that is
  /// not JSON; then nothing is appended.
  bool write(const mqtt::Publish& m, const timespec& now, std::string& out) const;

  /// It has JSON objects with indentation (--pretty).
  bool pretty = false;

 private:
  struct Piece {
    enum class Kind : unsigned char { literal, message, time } kind = Kind::literal;
    char letter = 0;
    bool left = false, zero = false;
    int width = 0, precision = -1;
    std::string literal;
  };
  void add_literal(char c);
  static bool write_value(const Piece& p, const mqtt::Publish& m, const timespec& now, bool pretty, std::string& out);

  std::vector<Piece> pieces_;
};

/// "2020-05-06T22:12:00+0100", or with microseconds.
std::string iso_time(const timespec& t, bool micros);

}  // namespace sb::app
