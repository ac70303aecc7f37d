// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <string_view>

namespace sb::mqtt {

/// Reads the data types of the protocol [MQTT5 1.5] from the front of a view. A read past the end sets failed() and
/// gives zeros, so that a decoder reads like the grammar and checks once.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : p_(bytes.data()), end_(p_ + bytes.size()) {}

  std::uint8_t u8() { return need(1) ? static_cast<std::uint8_t>(*p_++) : 0; }
  std::uint16_t u16() {
    if (!need(2)) return 0;
    auto v = static_cast<std::uint16_t>(at(0) << 8 | at(1));
    p_ += 2;
    return v;
  }
  std::uint32_t u32() {
    if (!need(4)) return 0;
    std::uint32_t v = static_cast<std::uint32_t>(at(0)) << 24 | static_cast<std::uint32_t>(at(1)) << 16 |
                      static_cast<std::uint32_t>(at(2)) << 8 | at(3);
    p_ += 4;
    return v;
  }
  /// Variable Byte Integer: at most four bytes, fewest possible. [MQTT-1.5.5-1]
  std::uint32_t varint() {
    std::uint32_t v = 0;
    for (int shift = 0; shift < 28; shift += 7) {
      std::uint8_t b = u8();
      v |= static_cast<std::uint32_t>(b & 0x7F) << shift;
      if (!(b & 0x80)) {
        if (b == 0 && shift > 0) failed_ = true;  // overlong
        return v;
      }
    }
    failed_ = true;
    return 0;
  }
  /// Two-byte length, then that many bytes: Binary Data, or a UTF-8 string that the caller still checks.
  std::string_view binary() { return bytes(u16()); }
  std::string_view bytes(std::size_t n) {
    if (!need(n)) return {};
    std::string_view v(p_, n);
    p_ += n;
    return v;
  }
  std::string_view rest() {
    std::string_view v(p_, static_cast<std::size_t>(end_ - p_));
    p_ = end_;
    return v;
  }

  const char* position() const { return p_; }
  std::size_t left() const { return static_cast<std::size_t>(end_ - p_); }
  bool done() const { return p_ == end_; }
  bool failed() const { return failed_; }

 private:
  unsigned at(int i) const { return static_cast<unsigned char>(p_[i]); }
  bool need(std::size_t n) {
    if (left() >= n && !failed_) return true;
    failed_ = true;
    p_ = end_;
    return false;
  }
  const char* p_;
  const char* end_;
  bool failed_ = false;
};

}  // namespace sb::mqtt
