// SPDX-License-Identifier: MIT
#include "model/message.h"

#include <cstdlib>
#include <cstring>
#include <new>

namespace sb::model {
namespace {
std::string_view put(char*& at, std::string_view bytes) {
  if (!bytes.empty()) std::memcpy(at, bytes.data(), bytes.size());
  std::string_view copy(at, bytes.size());
  at += bytes.size();
  return copy;
}
}  // namespace

std::uint64_t publisher_of(std::string_view client_id) {
  // The same in every process: it is stored with messages. FNV-1a, mixed once more. Who makes an id with the hash of
  // another only keeps its own No Local subscriptions from the other's messages.
  std::uint64_t h = 0xCBF29CE484222325u;
  for (unsigned char c : client_id) h = (h ^ c) * 0x100000001B3u;
  h ^= h >> 32;
  h *= 0xD6E8FEB86659FD93u;
  h ^= h >> 32;
  return h | 1u;
}

Message::Message(const MessageView& m, char* storage) : view_(m) {
  view_.topic = put(storage, m.topic);
  view_.properties = put(storage, m.properties);
  view_.payload = put(storage, m.payload);
}

MessagePtr Message::copy(const MessageView& m) {
  void* p = std::malloc(sizeof(Message) + m.bytes());
  if (!p) throw std::bad_alloc();
  return MessagePtr(new (p) Message(m, static_cast<char*>(p) + sizeof(Message)));
}

void Message::operator delete(void* p) { std::free(p); }

}  // namespace sb::model
