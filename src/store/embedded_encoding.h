// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "model/session_record.h"

/// Bytes of the embedded store. Keys are big-endian, so that their order is the order of what they stand for; values
/// begin with a format byte and are read with bounds: what does not fit is corrupt, never undefined.
namespace sb::store::embedded {

inline constexpr char kFormat = 1;  ///< of every value

// ---------------------------------------------------------------- pieces

inline void put_be(char* to, std::uint64_t n, int bytes) {
  for (int i = bytes - 1; i >= 0; --i, n >>= 8) to[i] = static_cast<char>(n & 0xFF);
}
inline std::uint64_t get_be(const char* from, int bytes) {
  std::uint64_t n = 0;
  for (int i = 0; i < bytes; ++i) n = n << 8 | static_cast<unsigned char>(from[i]);
  return n;
}

/// Appends the parts of a value.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}
  Writer& byte(unsigned n) {
    out_ += static_cast<char>(n);
    return *this;
  }
  Writer& be(std::uint64_t n, int bytes) {
    char b[8];
    put_be(b, n, bytes);
    out_.append(b, static_cast<std::size_t>(bytes));
    return *this;
  }
  Writer& number(std::uint64_t n) {  ///< 7 bits a byte, low ones first
    for (; n >= 0x80; n >>= 7) byte(static_cast<unsigned>(n & 0x7F) | 0x80);
    return byte(static_cast<unsigned>(n));
  }
  Writer& raw(std::string_view s) {
    out_.append(s);
    return *this;
  }
  Writer& text(std::string_view s) { return number(s.size()).raw(s); }
  Writer& position(model::Position p) { return number(p.generation).number(p.offset); }
  Writer& time(WallTime t) { return be(static_cast<std::uint64_t>(t.time_since_epoch().count()), 8); }

 private:
  std::string& out_;
};

/// Takes the parts of a value apart. After a part that is not there everything is empty and ok() is false.
class Reader {
 public:
  explicit Reader(std::string_view in) : in_(in) {}
  bool ok() const { return ok_; }
  /// All of it was read, and it was all there.
  bool done() const { return ok_ && in_.empty(); }
  unsigned byte() { return static_cast<unsigned char>(take(1)[0]); }
  std::uint64_t be(int bytes) { return get_be(take(static_cast<std::size_t>(bytes)).data(), bytes); }
  std::uint64_t number() {
    std::uint64_t n = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      unsigned b = byte();
      n |= static_cast<std::uint64_t>(b & 0x7F) << shift;
      if (b < 0x80) return n;
    }
    ok_ = false;
    return 0;
  }
  std::string_view text() {
    std::uint64_t n = number();
    if (n > in_.size()) return fail(), std::string_view();
    return take(static_cast<std::size_t>(n));
  }
  std::string_view rest() { return take(in_.size()); }
  model::Position position() {
    std::uint64_t generation = number();
    return {generation, number()};
  }
  WallTime time() { return WallTime(Millis(static_cast<std::int64_t>(be(8)))); }
  /// The format byte; false when the value is of another format.
  bool format() { return byte() == static_cast<unsigned char>(kFormat) || (fail(), false); }

 private:
  void fail() {
    ok_ = false;
    in_ = {};
  }
  std::string_view take(std::size_t n) {
    static constexpr char kNothing[8] = {};
    if (n > in_.size()) {
      fail();
      return {kNothing, sizeof kNothing};
    }
    std::string_view s = in_.substr(0, n);
    in_.remove_prefix(n);
    return n ? s : std::string_view(kNothing, 0);
  }
  std::string_view in_;
  bool ok_ = true;
};

// ---------------------------------------------------------------- keys

/// entries: log, offset.
struct EntryKey {
  char bytes[16];
  EntryKey(std::uint64_t log, std::uint64_t offset) {
    put_be(bytes, log, 8);
    put_be(bytes + 8, offset, 8);
  }
  std::string_view view() const { return {bytes, sizeof bytes}; }
};

/// logs: log, then nothing for the log itself or the name of a member.
std::string log_key(std::uint64_t log);
std::string member_key(std::uint64_t log, std::string_view member);

/// sessions and progress: the client id with its length in front, so that none is the beginning of another's.
std::string session_prefix(std::string_view client_id);
/// The client id of a key that begins with session_prefix(); what follows it goes to `rest`. Empty when corrupt.
std::string_view client_of(std::string_view key, std::string_view& rest);

// Kinds of keys behind a session's prefix.
inline constexpr char kCore = 'c', kSubscription = 's';  ///< in sessions: –, filter
inline constexpr char kCursor = 'c', kInbound = 'i', kOutbound = 'o',
                      kPublish = 'p';  ///< in progress: filter, packet id, –

/// due: time, client id.
std::string due_key(WallTime when, std::string_view client_id);

/// wills: number, client id.
inline constexpr int kWillNumber = 8;
inline std::string will_key(std::uint64_t number) {
  std::string key(kWillNumber, '\0');
  put_be(key.data(), number, kWillNumber);
  return key;
}

// ---------------------------------------------------------------- values

/// What stands in front of a message's topic, properties and payload.
struct MessageHeader {
  char bytes[64];
  std::size_t size = 0;
  explicit MessageHeader(const model::MessageView& m);
};
std::string encode(const model::MessageView& m);
/// The views lie in `value`. Nothing when corrupt.
std::optional<model::MessageView> decode_message(std::string_view value);
/// Bytes that a message takes against the bounds, as if it were in memory.
inline std::size_t footprint(const model::MessageView& m) { return sizeof(model::Message) + m.bytes(); }

/// A session record without what has keys of its own.
std::string encode_core(const model::SessionRecord& r);
std::optional<model::SessionRecord> decode_core(std::string_view value);

std::string encode(const model::SubscriptionRecord& s);
std::optional<model::SubscriptionRecord> decode_subscription(std::string_view value);

std::string encode(const model::OutboundRecord& o);
std::optional<model::OutboundRecord> decode_outbound(std::string_view value);

/// Without the packet id, which is in the key. One of an earlier version is empty.
std::string encode(const model::InboundRecord& i);
std::optional<model::InboundRecord> decode_inbound(std::string_view value);

/// The next number of a publish.
std::string encode_publish(std::uint64_t next);
std::optional<std::uint64_t> decode_publish(std::string_view value);

std::string encode(model::Position p);
std::optional<model::Position> decode_position(std::string_view value);

}  // namespace sb::store::embedded
