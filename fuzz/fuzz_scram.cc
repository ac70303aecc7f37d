// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "auth/mosquitto_file.h"
#include "auth/scram.h"
#include "auth/users.h"

// Messages of a client, one per line, to an exchange; the same bytes as files of users, and as a server's first
// message. Nobody gets in without the password.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sb::auth;
  static const auto users = [] {
    std::string why;
    return *ScramUsers::parse(format_scram_line("user", make_scram_keys("pencil", 4096, "0123456789abcdef")), why);
  }();
  std::string_view input(reinterpret_cast<const char*>(data), size), rest = input;
  auto exchange = make_scram_exchange(users, "server");
  for (int i = 0; i < 4; ++i) {
    const std::string_view message = rest.substr(0, rest.find('\n'));
    const auto step = exchange->step(message);
    if (step.reason == sb::mqtt::Reason::success || !step.username.empty()) std::abort();
    rest.remove_prefix(std::min(message.size() + 1, rest.size()));
  }
  std::string why;
  if (auto parsed = ScramUsers::parse(input, why); !parsed && why.empty()) std::abort();
  why.clear();
  if (auto parsed = PasswordUsers::parse(input, why); !parsed && why.empty()) std::abort();
  why.clear();
  if (auto parsed = parse_mosquitto_file(input, why); !parsed && why.empty()) std::abort();
  // The iterations are what takes the time, so an answer that would be computed is left out.
  ScramClient client("user", "pencil", "client");
  if (input.find(",i=") == std::string_view::npos && client.answer(input).has_value()) std::abort();
  if (!client.verify(input)) std::abort();
  return 0;
}
