// SPDX-License-Identifier: MIT
#pragma once
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <string_view>

namespace sb::http::testing {

/// A client that says what the test writes, byte for byte.
class RawClient {
 public:
  /// `address`: "127.0.0.1:1234".
  explicit RawClient(const std::string& address) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const std::size_t colon = address.rfind(':');
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
    ::inet_pton(AF_INET, address.substr(0, colon).c_str(), &a.sin_addr);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
  }
  ~RawClient() { ::close(fd_); }
  RawClient(const RawClient&) = delete;

  void send(std::string_view text) { ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL); }
  void shut_write() { ::shutdown(fd_, SHUT_WR); }
  /// True when something, or the end, comes within so many milliseconds.
  bool hears(int ms) {
    pollfd p{fd_, POLLIN, 0};
    return !in_.empty() || ::poll(&p, 1, ms) > 0;
  }
  /// One answer with its body, "" at the end of the connection. `head`: it comes without the body that it announces.
  std::string answer(bool head = false) {
    for (;;) {
      std::size_t end = in_.find("\r\n\r\n");
      if (end != in_.npos) {
        end += 4;
        const std::size_t at = in_.find("Content-Length: ");
        if (!head && at < end) end += std::stoul(in_.substr(at + 16));
        if (in_.size() >= end) {
          std::string out = in_.substr(0, end);
          in_.erase(0, end);
          return out;
        }
      }
      if (!more()) return {};
    }
  }
  /// "200 body" of the next answer; "closed" at the end.
  std::string status_and_body() {
    const std::string a = answer();
    return a.empty() ? "closed" : a.substr(9, 4) + a.substr(a.find("\r\n\r\n") + 4);
  }
  /// The server closes, and says nothing before it does.
  bool closed() { return in_.empty() && !more(); }
  /// It did so with an RST, which may take away what was not read yet.
  bool reset() const { return reset_; }

 private:
  bool more() {
    char buffer[4096];
    pollfd p{fd_, POLLIN, 0};
    if (::poll(&p, 1, 20'000) <= 0) return ADD_FAILURE() << "nothing comes", false;
    const ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
    if (n <= 0) return reset_ = n < 0, false;
    in_.append(buffer, static_cast<std::size_t>(n));
    return true;
  }
  int fd_;
  std::string in_;
  bool reset_ = false;
};

}  // namespace sb::http::testing
