// SPDX-License-Identifier: MIT
#include "app/verify_message.h"

#include <fmt/format.h>

#include <cstring>

namespace sb::app {
namespace {

constexpr std::uint64_t kMagic = 0x79666972'65766273;  // "sbverify"
constexpr std::uint32_t kSlices = 251;                 // where the filling may begin

/// In front of each payload, in the byte order of this machine: the same process reads it.
struct Stamp {
  std::uint64_t magic = kMagic;
  std::uint64_t run = 0;
  std::uint64_t sequence = 0;
  std::uint32_t publisher = 0, topic = 0, size = 0, qos = 0;
  std::uint64_t sum = 0;  ///< of what stands before
};
static_assert(sizeof(Stamp) == VerifyWire::kSmallest);

std::uint64_t sum_of(const Stamp& s) {
  std::uint64_t h = 0;
  for (std::uint64_t v :
       {s.run, s.sequence, std::uint64_t{s.publisher} << 32 | s.topic, std::uint64_t{s.size} << 32 | s.qos}) {
    h = (h ^ v) * 0x9E3779B97F4A7C15;
    h ^= h >> 29;
  }
  return h;
}

}  // namespace

VerifyWire::VerifyWire(std::uint64_t run, std::uint32_t topics, std::uint32_t largest)
    : run_(run), prefix_(fmt::format("verify/{:016x}/", run)) {
  for (std::uint32_t i = 0; i < topics; ++i) topics_.push_back(fmt::format("{}{}", prefix_, i));
  std::uint32_t random = 1;
  for (std::uint32_t i = 0; i < largest + kSlices; ++i) {
    random = random * 1664525 + 1013904223;
    filling_.push_back(static_cast<char>(random >> 24));
  }
}

std::string_view VerifyWire::payload(const MessageName& m, std::uint32_t size) {
  Stamp s;
  s.run = run_;
  s.sequence = m.sequence;
  s.publisher = m.publisher;
  s.topic = m.topic;
  s.size = size;
  s.qos = m.qos;
  s.sum = sum_of(s);
  buffer_.resize(size);
  std::memcpy(buffer_.data(), &s, sizeof s);
  std::memcpy(buffer_.data() + sizeof s, filling_.data() + s.sum % kSlices, size - sizeof s);
  return buffer_;
}

std::optional<MessageName> VerifyWire::read(std::string_view topic, std::string_view payload,
                                            std::string& problem) const {
  auto no = [&](std::string what) {
    problem = fmt::format("{} (topic {}, {} bytes)", what, topic, payload.size());
    return std::nullopt;
  };
  Stamp s;
  if (payload.size() < sizeof s) return no("too short for a message of ours");
  std::memcpy(&s, payload.data(), sizeof s);
  if (s.magic != kMagic) return no("no message of ours");
  if (s.sum != sum_of(s)) return no("its check sum is wrong");
  if (s.run != run_) return no("a message of another run");
  if (s.size != payload.size()) return no(fmt::format("it had {} bytes when it was sent", s.size));
  if (s.topic >= topics_.size() || topic != topics_[s.topic]) return no("it was sent to another topic");
  if (std::memcmp(payload.data() + sizeof s, filling_.data() + s.sum % kSlices, payload.size() - sizeof s) != 0)
    return no("its filling was changed");
  return MessageName{s.publisher, s.topic, static_cast<std::uint8_t>(s.qos), s.sequence};
}

}  // namespace sb::app
