// SPDX-License-Identifier: MIT
#pragma once
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace sb::http::testing {

/// What the server sees of one connection. Writing and reading fail silently: the client may have left.
class Peer {
 public:
  Peer(int fd, SSL* ssl) : fd_(fd), ssl_(ssl) {}

  /// One request with its body; "" at the end of the connection.
  std::string request() {
    std::string text;
    std::size_t body = std::string::npos;
    for (;;) {
      if (body == text.npos && (body = text.find("\r\n\r\n")) != text.npos) body += 4;
      if (body != text.npos) {
        const std::size_t at = text.find("Content-Length: ");
        if (at == text.npos || text.size() >= body + std::stoul(text.substr(at + 16))) return text;
      }
      char buffer[4096];
      const auto n =
          ssl_ ? SSL_read(ssl_, buffer, sizeof buffer) : static_cast<int>(::read(fd_, buffer, sizeof buffer));
      if (n <= 0) return {};
      text.append(buffer, static_cast<std::size_t>(n));
    }
  }
  bool send(std::string_view text) {
    if (ssl_) return SSL_write(ssl_, text.data(), static_cast<int>(text.size())) > 0;
    return ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
  }
  void answer(std::string_view body, std::string_view headers = "", std::string_view status = "200 OK") {
    send("HTTP/1.1 " + std::string(status) + "\r\n" + std::string(headers) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body));
  }

 private:
  int fd_;
  SSL* ssl_;
};

/// A server on a free port of this machine that follows a script for each connection; a connection ends with it.
class ScriptServer {
 public:
  /// `connection` counts from 1.
  using Script = std::function<void(Peer&, int connection)>;

  /// `cert`, `key`: PEM files, for TLS.
  explicit ScriptServer(Script script, const std::string& cert = {}, const std::string& key = {})
      : script_(std::move(script)), fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    if (!cert.empty()) {
      tls_ = SSL_CTX_new(TLS_server_method());
      EXPECT_EQ(SSL_CTX_use_certificate_chain_file(tls_, cert.c_str()), 1);
      EXPECT_EQ(SSL_CTX_use_PrivateKey_file(tls_, key.c_str(), SSL_FILETYPE_PEM), 1);
    }
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof a;
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&a), size), 0);
    EXPECT_EQ(::listen(fd_, 64), 0);
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&a), &size);
    port_ = ntohs(a.sin_port);
    std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to clients who left, and it cannot say MSG_NOSIGNAL
    acceptor_ = std::thread([this] { accept(); });
  }
  ~ScriptServer() {
    ::shutdown(fd_, SHUT_RDWR);
    acceptor_.join();
    {
      std::lock_guard lock(mutex_);
      for (int fd : open_) ::shutdown(fd, SHUT_RDWR);
    }
    for (auto& t : threads_) t.join();
    ::close(fd_);
    SSL_CTX_free(tls_);
  }
  ScriptServer(const ScriptServer&) = delete;
  ScriptServer& operator=(const ScriptServer&) = delete;

  std::uint16_t port() const { return port_; }
  int connections() const { return connections_; }

 private:
  void accept() {
    for (int fd; (fd = ::accept(fd_, nullptr, nullptr)) >= 0;) {
      {
        std::lock_guard lock(mutex_);
        open_.push_back(fd);
      }
      threads_.emplace_back([this, fd, number = ++connections_] { serve(fd, number); });
    }
  }
  void serve(int fd, int number) {
    SSL* ssl = nullptr;
    if (tls_) {
      ssl = SSL_new(tls_);
      SSL_set_fd(ssl, fd);
    }
    Peer peer(fd, ssl);
    if (!ssl || SSL_accept(ssl) == 1) script_(peer, number);
    SSL_free(ssl);
    std::lock_guard lock(mutex_);
    std::erase(open_, fd);
    ::close(fd);
  }

  const Script script_;
  const int fd_;
  SSL_CTX* tls_ = nullptr;
  std::uint16_t port_ = 0;
  std::atomic<int> connections_{0};
  std::mutex mutex_;
  std::vector<int> open_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace sb::http::testing
