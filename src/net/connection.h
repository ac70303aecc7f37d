// SPDX-License-Identifier: MIT
#pragma once
#include <sys/epoll.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/out_buffer.h"
#include "channel/channel.h"
#include "io/event_loop.h"
#include "io/timers.h"
#include "net/listener_context.h"
#include "net/peer_address.h"

namespace sb::net {

class Shard;
struct ProxyAddress;

/// One client's socket with the channel behind it: the way of the bytes in and out, through PROXY, TLS and WebSocket
/// where the listener has them. Idle it holds no buffer. Owner: one shard, which deletes it at the end of the turn in
/// which it ended.
class Connection final : public io::EventHandler, public io::Timer, public channel::Transport {
 public:
  /// Takes over `fd`.
  Connection(Shard& shard, int fd, ListenerContext& listener, const PeerAddress& peer);
  ~Connection();

  /// Registers with the loop; false when that failed (the connection is to be deleted).
  bool start();
  /// Goes on reading; called by the shard for connections that said more_input().
  void read_on();
  /// Writes what is queued. Called by the shard at the end of the turn for connections that asked for it.
  void flush();
  bool finished() const { return fd_ < 0; }
  /// Finished, or only writes out what it has.
  bool ending() const { return closing_ || fd_ < 0; }
  void shut_down(mqtt::Reason reason) { channel_.shut_down(reason); }
  /// Others need its place more.
  void give_up();

  // --- io
  void on_events(std::uint32_t events) override;
  void on_timer() override;

  // --- channel::Transport
  void flush_soon() override;
  void close_soon() override;
  void resume_input() override;
  void deadline_changed() override;
  std::string peer() const override;
  Ip address() const override { return peer_.ip; }
  std::string tls_identity() const override;

  // --- the shard's
  std::size_t place = 0;  ///< among its connections
  bool in_dirty_list = false, in_ready_list = false;

 private:
  static constexpr std::uint32_t kReadEvents = EPOLLIN | EPOLLRDHUP;
  struct Layers;  ///< what only PROXY, TLS and WebSocket connections have (layers.h)

  // connection.cc
  void read_socket();
  bool take(char* data, std::size_t n);
  void to_channel(char* data, std::size_t n);
  void run_tail();
  void save_tail(std::string_view rest);
  void drop_tail();
  std::size_t tail_capacity_for(std::string_view rest) const;
  void lost();
  void finish();
  MonoTime stall_ends() const;
  void set_timer();
  bool handshaking() const;
  void check_newcomer() {
    if (newcomer_ && channel_.state() != channel::Channel::State::awaiting_connect) no_newcomer();
  }
  void no_newcomer();

  // connection_layers.cc
  bool take_proxy(char*& data, std::size_t& n);
  void comes_from(const ProxyAddress& a);
  bool pass_gate();
  bool turned_away(std::string_view why);
  bool take_tls(char* data, std::size_t n);
  bool take_ws(char* data, std::size_t n);
  bool tls_over(io::TlsStatus status);
  void ws_close(std::uint16_t code);

  // connection_out.cc
  enum class Sent { all, blocked, failed };
  Sent send_out(OutBuffer& out);
  Sent send_ws();
  Sent send_sealed();
  bool seal();
  void blocked();

  Shard& shard_;
  ListenerContext& listener_;
  int fd_;
  PeerAddress peer_;            ///< behind a proxy: what it says
  std::uint32_t newcomer_ = 0;  ///< number among the shard's newcomers
  bool counted_ = false;        ///< by the gate
  bool closing_ = false;        ///< the channel is done; write out, then close
  bool blocked_ = false;        ///< the socket takes no more at present
  bool write_armed_ = false;    ///< EPOLLOUT is asked for
  bool readable_ = false;       ///< the socket may have more that was not read
  bool in_input_ = false;
  bool paused_ = false;  ///< the channel did not take all of the tail
  bool end_seen_ = false;
  std::unique_ptr<char[]> tail_;  ///< received, not yet taken by the channel: part of a packet, or a pause
  std::uint32_t tail_size_ = 0, tail_capacity_ = 0;
  MonoTime stuck_since_ = kNever;
  std::unique_ptr<Layers> layers_;
  channel::Channel channel_;
};

}  // namespace sb::net
