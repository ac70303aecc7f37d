// SPDX-License-Identifier: MIT
#include "client/hub.h"

#include <algorithm>

#include "client/connection.h"

namespace sb::client {

Hub::Hub(io::EventLoop& loop)
    : loop_(loop), wire_(new char[kHeadroom + kReadSize]), plain_(new char[kHeadroom + kReadSize]) {
  loop.set_turn(this);
}

Hub::~Hub() { loop_.set_turn(nullptr); }

bool Hub::on_turn_end() {
  // Who is marked from here on (an application that fills the room it got) comes in the next turn, so that
  // reading gets its turn as well.
  visiting_.swap(marked_);
  for (std::size_t i = 0; i < visiting_.size(); ++i)
    if (visiting_[i]) visiting_[i]->visit();
  visiting_.clear();
  return !marked_.empty();
}

void Hub::forget(Connection* c) {
  std::erase(marked_, c);
  std::replace(visiting_.begin(), visiting_.end(), c, static_cast<Connection*>(nullptr));
}

}  // namespace sb::client
