// SPDX-License-Identifier: MIT
#include "model/message.h"

#include <cstdlib>
#include <cstring>
#include <new>

#include "base/hash_map.h"

namespace sb::model {
namespace {
std::string_view put(char*& at, std::string_view bytes) {
  if (!bytes.empty()) std::memcpy(at, bytes.data(), bytes.size());
  std::string_view copy(at, bytes.size());
  at += bytes.size();
  return copy;
}
}  // namespace

std::uint64_t publisher_of(std::string_view client_id) { return hash_bytes(client_id) | 1u; }

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
