// SPDX-License-Identifier: MIT
#include "model/message.h"

#include <cstdlib>
#include <cstring>
#include <new>

#include "base/fnv.h"

namespace sb::model {
namespace {
std::string_view put(char*& at, std::string_view bytes) {
  if (!bytes.empty()) std::memcpy(at, bytes.data(), bytes.size());
  std::string_view copy(at, bytes.size());
  at += bytes.size();
  return copy;
}

std::uint64_t mixed(std::uint64_t h) {
  h ^= h >> 32;
  h *= 0xD6E8FEB86659FD93u;
  return h ^ (h >> 32);
}

}  // namespace

// Both are the same in every process: they are stored with messages. Who makes an id with the hash of another only
// keeps its own No Local subscriptions from the other's messages.
std::uint64_t publisher_of(std::string_view client_id) { return mixed(fnv1a(client_id)) | 1u; }

std::uint64_t identity_of(std::string_view who, std::uint64_t number) { return mixed(mixed(fnv1a(who)) + number) | 1u; }

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
