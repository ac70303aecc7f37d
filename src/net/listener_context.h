// SPDX-License-Identifier: MIT
#pragma once
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "channel/config.h"
#include "io/tls.h"
#include "io/ws_upgrade.h"
#include "net/gate.h"

namespace sb::net {

enum class ListenerKind : std::uint8_t { mqtt, mqtts, ws, wss };
enum class ProxyMode : std::uint8_t { off, optional, required };

/// What a listener is told when it is made; a reload replaces `channel` and `tls`.
struct ListenerOptions {
  ListenerKind kind = ListenerKind::mqtt;
  std::string host;        ///< address without port; "" for Unix sockets
  std::uint16_t port = 0;  ///< 0 = any free one
  std::string unix_path;
  std::uint16_t unix_mode = 0660;
  channel::ChannelConfig channel;
  std::shared_ptr<const io::TlsContext> tls;
  io::TlsIdentity identity = io::TlsIdentity::none;
  io::WsUpgradeRules ws;
  ProxyMode proxy = ProxyMode::off;
  std::uint32_t max_connections = 0;  ///< 0 = only the node's bound
  std::shared_ptr<Gate> gate;         ///< null = everybody
};

/// What the connections of one listener share. Lives as long as the node; safe for all threads.
class ListenerContext {
 public:
  explicit ListenerContext(const ListenerOptions& o)
      : kind(o.kind),
        identity(o.identity),
        proxy(o.proxy),
        ws(o.ws),
        gate(o.gate ? o.gate : std::make_shared<Gate>(0, nullptr)),
        max_connections(o.max_connections),
        tls_(o.tls) {
    set_channel(o.channel);
  }
  const ListenerKind kind;
  const io::TlsIdentity identity;
  const ProxyMode proxy;
  const io::WsUpgradeRules ws;
  const std::shared_ptr<Gate> gate;
  std::atomic<std::uint32_t> max_connections;
  std::atomic<std::uint32_t> connections{0};

  bool is_tls() const { return kind == ListenerKind::mqtts || kind == ListenerKind::wss; }
  bool is_ws() const { return kind == ListenerKind::ws || kind == ListenerKind::wss; }

  /// For new connections; those that are up keep what they came in with.
  const channel::ChannelConfig& channel() const { return *channel_.load(std::memory_order_acquire); }
  void set_channel(channel::ChannelConfig c) {
    std::lock_guard lock(mutex_);
    configs_.push_back(std::move(c));
    channel_.store(&configs_.back(), std::memory_order_release);
  }
  std::shared_ptr<const io::TlsContext> tls() const {
    std::lock_guard lock(mutex_);
    return tls_;
  }
  void set_tls(std::shared_ptr<const io::TlsContext> t) {
    std::lock_guard lock(mutex_);
    tls_ = std::move(t);
  }

 private:
  mutable std::mutex mutex_;
  std::deque<channel::ChannelConfig> configs_;  ///< all that ever held: connections refer to them
  std::atomic<const channel::ChannelConfig*> channel_{nullptr};
  std::shared_ptr<const io::TlsContext> tls_;
};

}  // namespace sb::net
