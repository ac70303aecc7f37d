// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

/// WebSocket frames (RFC 6455) for a stream of MQTT bytes. No I/O, no message assembly: MQTT does not look at
/// frame borders [MQTT-6.0.0-2], so payload is handed on as it comes and a frame may be larger than any
/// buffer.
namespace sb::io {

enum class WsOpcode : std::uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

/// Which side of the connection this is: a server receives masked frames and sends unmasked ones (RFC
/// 6455 5.1).
enum class WsRole : std::uint8_t { server, client };

/// Status codes of Close frames (RFC 6455 7.4.1).
enum class WsClose : std::uint16_t {
  none = 0,  ///< not a code: nothing is wrong
  normal = 1000,
  going_away = 1001,
  protocol_error = 1002,
  unsupported_data = 1003,
  no_status = 1005,  ///< never sent: a Close frame without a code was received
  invalid_payload = 1007,
  policy_violation = 1008,
  too_big = 1009,
  internal_error = 1011,
};

inline constexpr std::size_t kWsMaxHeader = 14;    ///< bytes; 10 without a mask
inline constexpr std::size_t kWsMaxControl = 125;  ///< bytes of payload of a control frame (RFC 6455 5.5)

/// What one received chunk held.
struct WsInput {
  WsInput() {}  // `control` stays uninitialised: it is 125 bytes that most chunks do not use

  std::string_view data;          ///< payload of all data frames in the chunk, contiguous, in the caller's buffer
  WsClose error = WsClose::none;  ///< not none: send a Close with this code and drop the connection; `data`
                                  ///< is what came before
  WsClose close = WsClose::none;  ///< not none: the peer's Close with this code (no_status: it gave none); echo it
  bool ping = false;              ///< answer with a Pong that carries control_payload()
  bool pong = false;
  std::uint8_t control_size = 0;
  std::array<char, kWsMaxControl> control;

  /// Payload of the newest Ping, or the reason text of the Close. "The endpoint MAY elect to send a Pong
  /// frame for only the most recently processed Ping frame" (RFC 6455 5.5.3): so a flood of pings in a chunk
  /// costs one answer.
  std::string_view control_payload() const { return {control.data(), control_size}; }
};

/// Decoder of one direction of one connection. 32 bytes; a control frame that is cut by the end of a chunk
/// takes an allocation until its rest has come. Owner: the connection's shard.
class WsDecoder {
 public:
  explicit WsDecoder(WsRole role) : role_(role) {}

  /// Decodes the chunk `data[0..n)` just received, which is overwritten: payload is unmasked and moved
  /// together in place. All of it is consumed. `max_frame`: payload bytes of one data frame; above: error
  /// too_big. After an error or a Close the decoder ignores what else comes ("the endpoint MUST NOT continue
  /// to attempt to process data", 7.1.7).
  void decode(char* data, std::size_t n, std::uint64_t max_frame, WsInput& in);

  /// True after an error or the peer's Close.
  bool finished() const { return finished_; }

 private:
  struct SplitControl {
    std::uint8_t size = 0;
    std::array<char, kWsMaxControl> bytes;
  };
  struct Frame {
    std::uint64_t remaining;  ///< bytes of payload still to come
    std::uint32_t mask;       ///< as in memory, turned so that its first byte is for the next payload byte
  };

  /// Reads a header from `h[0..n)`. Its size, or 0 when it is not complete (or wrong: then in.error is set).
  std::size_t parse_header(const char* h, std::size_t n, std::uint64_t max_frame, WsInput& in);
  WsClose check_start(std::uint8_t b0, std::uint8_t b1) const;
  void take_control(char* p, std::size_t n, WsInput& in);
  void finish_control(WsInput& in);
  void fail(WsInput& in, WsClose code);
  bool is_control() const { return (opcode_ & 8) != 0; }

  union {
    char header_[kWsMaxHeader];  ///< while !in_payload_: the first have_ bytes of a header that was cut
    Frame frame_;                ///< while in_payload_
  };
  std::unique_ptr<SplitControl> split_;
  WsRole role_;
  std::uint8_t have_ = 0;
  std::uint8_t opcode_ = 0;  ///< of the frame under way
  bool in_payload_ : 1 = false;
  bool message_open_ : 1 = false;  ///< a data frame without FIN came; continuations follow
  bool fin_ : 1 = false;
  bool finished_ : 1 = false;
};
static_assert(sizeof(WsDecoder) <= 32, "idle WebSocket connections pay for this");

/// Writes the header of a frame with FIN set; the size is 2, 4 or 10 bytes, plus 4 with a mask. `out`:
/// kWsMaxHeader bytes.
std::size_t encode_ws_header(char* out, WsOpcode opcode, std::uint64_t payload_size,
                             std::optional<std::uint32_t> mask = std::nullopt);

/// Bytes of the header that encode_ws_header() writes: to place it before the payload.
constexpr std::size_t ws_header_size(std::uint64_t payload_size, bool masked = false) {
  return (payload_size < 126 ? 2u : payload_size <= 0xFFFF ? 4u : 10u) + (masked ? 4u : 0u);
}

/// Writes a whole control frame (`payload` is cut at 125 bytes). `out`: kWsMaxHeader + kWsMaxControl bytes.
std::size_t encode_ws_control(char* out, WsOpcode opcode, std::string_view payload,
                              std::optional<std::uint32_t> mask = std::nullopt);

/// Writes a Close frame; `none` and `no_status` give one without a code. `out` as encode_ws_control().
std::size_t encode_ws_close(char* out, WsClose code, std::string_view reason = {},
                            std::optional<std::uint32_t> mask = std::nullopt);

/// Masks or unmasks `n` bytes from `src` to `dst`, which may be the same or lie before it. `mask` as in
/// memory. Returns the mask turned for the byte that follows. A client's masks must be unpredictable (RFC
/// 6455 5.3).
std::uint32_t ws_mask(char* dst, const char* src, std::size_t n, std::uint32_t mask);

}  // namespace sb::io
