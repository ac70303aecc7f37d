// SPDX-License-Identifier: MIT
#pragma once
#include <absl/container/flat_hash_map.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "broker/admission.h"
#include "broker/client_extra.h"
#include "broker/client_list.h"
#include "broker/durable_group.h"
#include "broker/events.h"
#include "broker/group_part.h"
#include "broker/log_feeds.h"
#include "broker/node.h"
#include "broker/route.h"
#include "broker/slab.h"
#include "broker/subscription_index.h"
#include "channel/channel.h"
#include "io/event_loop.h"
#include "ports/authenticator.h"
#include "ports/log_store.h"
#include "ports/peers.h"
#include "ports/retained_store.h"
#include "ports/session_store.h"

namespace sb::broker {

/// The stores, and the other nodes, as one shard sees them; answers come on its thread.
struct Stores {
  ports::LogStore* logs = nullptr;
  ports::SessionStore* sessions = nullptr;
  ports::RetainedStore* retained = nullptr;
  ports::Peers* peers = nullptr;  ///< null: there are none
};

/// The broker's logic on one shard: the host of its channels. It routes their messages to the receivers on all shards,
/// keeps their sessions, reads the logs for them. No sockets; the loop only carries tasks between shards. Owner: one
/// shard.
class Core final : public channel::Host, public LogFeeds::Listener, public io::Turn {
 public:
  using Channel = channel::Channel;

  Core(Node& node, std::size_t shard, io::EventLoop& loop, Stores stores);
  ~Core();

  // --- io::Turn
  void on_turn_begin() override {
    now = loop_.now();
    wall = loop_.wall();
    memory_full = node_.memory_full.load(std::memory_order_relaxed);
    admission_.new_turn();
  }
  /// Hands over what gathered for stores and other shards.
  bool on_turn_end() override;
  /// About once a second: checkpoints of durable sessions.
  void tick();
  /// Sessions and wills that are due (one shard of the node does this).
  void run_due();
  /// Wills that another node left behind.
  void fire(const std::vector<ports::SessionStore::Due>& left);
  /// The store has forgotten what it was told by keep_will().
  void keep_wills();
  /// The other nodes have buried this one: its sessions are theirs, and their wills, too. Every client goes, and comes
  /// again; nothing is stored for it, or published. `done` behind everything that this shard has asked of the stores.
  void buried(std::function<void()> done);
  /// True while other shards are behind with this one's slabs: its connections stop reading.
  bool congested() const { return congested_ || held_bytes_ > kHeldBytes; }

  /// Publishes a message of the broker itself (wills, $SYS). `insist`: what a store that is away refuses is asked again
  /// when it is back.
  void publish(model::MessageView m, bool insist = false);
  /// What users may do has changed (Authorizer::rights).
  void rights_changed();
  /// Node::events are others.
  void events_changed() { hears = node_.events.heard(); }
  /// Others are banned now: their connections end.
  void bans_changed();
  /// The next piece of a list of the clients that are connected to this shard.
  void list_clients(ClientList& list);
  std::size_t shard() const { return shard_; }
  io::EventLoop& loop() { return loop_; }

  // --- channel::Host
  void happened(const channel::Event& e) override;
  void refused(Channel& c, mqtt::Reason reason) override;
  void admit(Channel& c, std::string_view client_id, bool durable) override;
  void authenticate(Channel& c, const ports::Credentials& who) override;
  std::unique_ptr<ports::AuthExchange> start_exchange(std::string_view method, const ports::Credentials& who) override;
  void open(Channel& c, channel::OpenRequest request) override;
  void started(Channel& c) override;
  std::string new_client_id() override;
  bool may_publish(Channel& c, std::string_view topic, bool retain) override;
  channel::TopicMemoPtr memo(std::string_view topic) override { return routes_.get(topic); }
  channel::Routed route(Channel& c, channel::TopicMemoPtr& memo, model::MessageView& m,
                        const channel::EncodedFrame& frame, mqtt::PacketId id, std::uint64_t seq) override;
  bool release_inbound(Channel& c, mqtt::PacketId id) override;
  void subscribe(Channel& c, mqtt::PacketId id, std::vector<channel::SubscribeItem>& items,
                 std::uint32_t subscription_id) override;
  void unsubscribe(Channel& c, mqtt::PacketId id, const std::vector<std::string_view>& filters) override;
  bool release_outbound(Channel& c, mqtt::PacketId id, session::InFlight& e) override;
  void delivered(Channel& c, mqtt::PacketId id, session::InFlight& e) override;
  void pump(Channel& c) override;
  void closed(Channel& c, std::unique_ptr<session::Session> s, channel::Ending how) override;

  // --- LogFeeds::Listener
  void feed_ready(ports::LogId log, const std::vector<Channel*>& readers) override;

  // --- from other shards
  /// Takes the session of `k` away from its connection if that has this client id; `released` when the store has it.
  void kick(ClientKey k, const std::string& client_id, std::function<void()> released);
  void receive(Slab& slab);
  /// From another node: to the clients of all shards of this one, and no further.
  void receive(const ports::PeerBatch& batch);
  void let_go(ClientKey k, const std::string& client_id, std::uint64_t before, std::function<void(bool)> released);
  void kick_from_peer(ClientKey k, const std::string& client_id, std::uint64_t epoch, std::function<void()> released);
  /// Ends the connection of `k` if that has this client id; false when not.
  bool disconnect(ClientKey k, const std::string& client_id, mqtt::Reason reason);
  void connected_elsewhere(ClientKey k, const std::string& client_id, ports::ConnectTime before);
  void group_log(SharedGroupPtr g, const std::string& filter, ports::LogId log);
  void group_answer(const GroupAnswer& a);
  void take_from_group(const GroupDelivery& d);
  void group_note(ports::PeerNumber from, const ports::GroupNote& note);
  std::string group_asked(const std::string& filter, std::uint64_t epoch);
  void group_peers_changed(const std::string& filter);
  void peer_gone(ports::PeerNumber peer);
  void groups_lost();

 private:
  using Extra = ClientExtra;
  using Scan = ClientExtra::Scan;
  using Scans = ClientExtra::Scans;
  using Resend = ClientExtra::Resend;
  static constexpr std::uint32_t kNoSlot = 0xFFFFFFFF;
  static constexpr std::size_t kSlabsOut = 64;  ///< slabs that other shards may be behind with
  static constexpr std::uint8_t kHops = 2;      ///< times that a shared group's message is sent on from shard to shard
  static constexpr std::uint8_t kStays = 0x80;  ///< among the hops: it is not sent to other nodes any more
  static constexpr std::size_t kSlabBytesOut = 64 * 1024 * 1024;  ///< and their bytes

  static constexpr std::size_t kUnderWayPage = 256;  ///< messages read at once: what was under way often lies together
  static constexpr Seconds kComesAgain{30};          ///< redis::WriterOptions::keep
  /// A slot; 32 bytes, since idle clients pay for it.
  struct Client {
    Channel* channel = nullptr;
    std::uint32_t generation : 24 = 1;
    std::uint32_t dirty : 1 = 0;
    std::uint32_t pumping : 1 = 0, pump_again : 1 = 0;
    union {
      std::uint32_t next_free = kNoSlot;  ///< while it is free
      std::uint32_t since;                ///< while it is not: when its client came in, seconds since 1970
    };
    std::uint64_t directory_key = 0;
    std::unique_ptr<Extra> extra;
  };
  using Told = std::function<void()>;
  /// A publish whose acknowledgement waits for stores.
  struct Pending : boost::intrusive_ref_counter<Pending, boost::thread_safe_counter> {
    Pending(ClientKey c, std::uint64_t s) : client(c), seq(s) {}
    ClientKey client;
    std::uint64_t seq;
    std::uint32_t waits = 1;
    mqtt::Reason reason = mqtt::Reason::success;
    /// QoS 2 of a durable session: its packet id was stored, and has to go again when the message is refused.
    struct Inbound {
      std::string client_id;
      std::uint64_t epoch;
      mqtt::PacketId id;
    };
    std::unique_ptr<Inbound> inbound;
    bool unknown = false;   ///< a store failed: it may have what it refused when it is back
    model::MessagePtr own;  ///< nobody waits: a message of the broker itself
    Told told;              ///< with `own`: it is dealt with
  };
  using PendingPtr = boost::intrusive_ptr<Pending>;  ///< stores hold it too, and may end with it

  // core.cc
  std::uint32_t take_slot(Channel& c);
  Extra& extra(std::uint32_t slot) {
    auto& e = clients_[slot].extra;
    if (!e) e = std::make_unique<Extra>();
    return *e;
  }
  void tidy(std::uint32_t slot) {
    auto& e = clients_[slot].extra;
    if (e && e->idle()) e.reset();
  }
  void free_slot(std::uint32_t slot);
  ClientKey key(std::uint32_t slot) const {
    return {static_cast<std::uint16_t>(shard_), slot, clients_[slot].generation};
  }
  Channel* find(ClientKey k) {
    return k.slot < clients_.size() && clients_[k.slot].generation == k.generation ? clients_[k.slot].channel : nullptr;
  }
  template <class F>
  void on_shard(std::size_t shard, F f);

  // admitting.cc
  bool run_admission();
  void publish_events();
  void tell(Channel& c, channel::EventKind kind, std::string_view reason, std::string_view what, bool fault = true);

  // connecting.cc
  void claim_session(ClientKey k, channel::OpenRequest r);
  void session_claimed(ClientKey k, channel::OpenRequest r, result<ports::SessionStore::Claimed> claimed);
  void open_volatile(Channel& c, channel::OpenRequest r);
  /// Since when a volatile session is connected takes the place of its epoch.
  static std::uint64_t volatile_epoch(ports::ConnectTime since) {
    return static_cast<std::uint64_t>(since.time_since_epoch().count());
  }
  void open_durable(Channel& c, const channel::OpenRequest& r, ports::SessionStore::Claimed claimed);
  void leave_unopened(const std::string& client_id, std::uint64_t epoch, std::uint32_t expiry);
  void take_up(Channel& c);
  void resend(Channel& c);
  bool resend_one(Channel& c, mqtt::PacketId id);
  void give_up(Channel& c, mqtt::PacketId id, session::InFlight& e);
  void read_under_way(ClientKey k, mqtt::PacketId id, ports::LogId log, model::Position after);
  bool may_come_again(const ports::LogPage& page, const model::Position& p, MonoTime& missing) const;
  static void take_messages(session::Session& s, ports::LogId log, const std::vector<ports::StoredMessage>& messages);
  void leave_subscriptions(Channel& c, session::Session& s, ClientKey k);
  static bool has_many(const session::Session& s) { return s.subscriptions().size() > kFiltersPerTurn; }
  void bury(std::unique_ptr<session::Session> s, ClientKey k);
  void pass_on_group_messages(session::Session& s, ClientKey k);
  void leave_group(session::Subscription& sub);
  void leave_durable(Channel& c, session::Session& s, channel::Ending how, ClientKey k);
  void end_volatile(Channel& c, session::Session& s, channel::Ending how);

  // wills.cc
  void publish_will(const model::WillRecord& w, const ports::RightsPtr& rights, const ports::Subject& who, bool insist,
                    Told told = nullptr);
  void publish_will_to_all(const model::MessageView& m, Told told);
  void to_others(Route& r, const model::MessageView& m);
  void fire(const ports::SessionStore::Will& w, std::string_view client_id);
  void run_released(std::uint64_t packed);

  // rights.cc
  ports::RightsPtr rights_of(const ports::Subject& who) const;
  static bool may_publish(const ports::RightsPtr& rights, const ports::Subject& who, std::string_view topic,
                          bool retain);
  void give_rights(session::Session& s, const channel::OpenRequest& r, ClientKey k);
  bool may_subscribe(const session::Session& s, std::string_view filter);
  bool may_receive(const session::Session& s, std::string_view topic);
  bool may_receive(session::Session& s, std::string_view topic, std::uint64_t topic_hash);
  void check_rights(Channel& c);
  static void restrict(session::Subscription& sub, session::Session& s);
  void end_rights();

  // routing.cc
  bool fan_out(Route& route, const model::MessageView& m, bool v5, const channel::EncodedFrame& frame,
               std::uint8_t hops = 0);
  void deliver_local(const Route& route, channel::Fanout& f);
  void deliver_overlapping(const Receiver& r, Channel& c, channel::Fanout& f);
  bool deliver_group(SharedGroup& g, channel::Fanout& f, std::uint64_t topic_hash, const ClientKey* not_this,
                     std::uint8_t hops = 0);
  bool pass_on(SharedGroup& g, channel::Fanout& f, std::uint8_t hops);
  void unload(SharedGroup& g, ClientKey member);
  bool takes_at_once(const Subscriber& s, std::uint8_t qos);
  bool deliver_member(SharedGroup& g, const Subscriber& s, channel::Fanout& f);
  Slab& slab();
  void to_slab(const Route& route, const model::MessageView& m, bool v5, const channel::EncodedFrame& frame);
  void to_slab(SharedGroup& g, const Subscriber& s, const model::MessageView& m, std::uint8_t hops);
  void receive_for_member(const Slab::ForMember& item);
  void send_slab();
  void append(const Route& route, const model::MessagePtr& m, const PendingPtr& p,
              const ports::LogStore::Origin& origin = {});
  channel::Routed route_numbered(Channel& c, Route& r, const model::MessageView& m, const channel::EncodedFrame& frame,
                                 mqtt::PacketId id, std::uint64_t seq);
  void send_numbered(const PendingPtr& p, const model::MessagePtr& kept, const ports::LogStore::Origin& origin);
  bool no_memory_to_store();
  void flush_appends();
  void settle(const PendingPtr& p, const result<void>& done, mqtt::Reason refusal);
  mqtt::Reason finished(Pending& p);
  void retain(const model::MessagePtr& m, const PendingPtr& p);
  void keep_own(const Route& route, const model::MessagePtr& m, bool insist, Told told = nullptr);
  struct Late;
  void keep_late(Late l);
  void keep_late();

  // holding.cc
  void hold(const PendingPtr& p, model::MessagePtr m, Route& r, const ports::LogStore::Origin& origin = {});
  void release_held();

  // peers.cc
  void to_peers(std::span<const ports::PeerNumber> peers, const model::MessageView& m, const PendingPtr& p,
                std::string_view group = {}, std::uint8_t hops = 0);
  void receive_for_group(const ports::PeerBatch::Item& item, const model::MessageView& m);
  void flush_peers();
  void want(session::Subscription& s, ports::Interest what);
  void flush_interests();

  // subscribing.cc
  struct PendingSubscribe;
  void index(session::Subscription& s, session::Session& session, ClientKey k, bool replaces = false);
  void unindex(session::Subscription& s, ClientKey k);
  static constexpr std::size_t kFiltersPerTurn = 1000;  ///< of one packet, or of a session that has ended
  void take_filter(Channel& c, const channel::SubscribeItem& item, const std::shared_ptr<PendingSubscribe>& p);
  void take_unsubscribe(Channel& c, std::string_view filter, PendingSubscribe& p);
  void take_later(std::shared_ptr<PendingSubscribe> p);
  void join(Channel& c, const std::string& filter, std::shared_ptr<PendingSubscribe> p);
  void subscribe_settled(std::shared_ptr<PendingSubscribe> p);
  void save_changed(Channel& c, std::shared_ptr<PendingSubscribe> p);
  static model::SubscriptionRecord record_of(const session::Subscription& s);
  void end_subscription(Channel& c, session::Subscription& sub, PendingSubscribe& p);
  void withdraw(Channel& c, const std::vector<std::string>& filters);
  void remove_subscription(Channel& c, session::Subscription& sub, std::vector<std::string>& left);
  void leave_logs(ClientKey k, const std::string& member, const std::vector<std::string>& filters);
  static void uncover(session::Session& s, const std::string& filter, PendingSubscribe& p);
  static void begin_anew(session::Session& s, session::Subscription& sub, model::Position head);
  bool knows_heads(const session::Session& s) const;
  void go_on_to_unsubscribe(Channel& c);
  void leave_log(Channel& c, session::Subscription& sub);
  static bool owes_unread(session::Session& s, std::uint64_t log);
  bool start_draining(session::Session& s, session::Subscription& sub);

  // scanning.cc
  void start_scan(Channel& c, std::string filter);
  void cancel_scan(std::uint32_t slot, std::string_view filter);
  void scan_retained(Channel& c);
  void scan_once(Channel& c);
  void next_scan(Channel& c);
  void retained_page(ClientKey k, std::uint64_t scan, result<ports::RetainedStore::Page> page);

  // reading.cc
  struct Wanted {
    bool at_all = false;
    std::uint8_t qos = 0;
    bool retain_as_published = false;
    std::vector<std::uint32_t> ids;
  };
  void pump_once(Channel& c);
  bool read_owed(Channel& c);
  void end_drained(Channel& c);
  static bool drained(session::Session& s, const session::Subscription& sub);
  static std::string gap_property(const session::Cursor& cursor);
  static Wanted wanted_by(const session::Session& s, const model::MessageView& m, bool of_its_log = false);
  bool read_log(Channel& c, session::Cursor& cursor);
  void hand_out(Channel& c, session::Subscription& sub, const ports::StoredMessage& m);
  void moved(Channel& c, session::Cursor& cursor);

  // saving.cc
  /// What goes into the record of a session, and what follows when it is there.
  struct Saved {
    ports::SessionChange change;
    std::vector<session::Session::Progress> progress;
    std::vector<mqtt::PacketId> unsent, done;
    /// QoS 2 of a shared group that becomes the session's own with this write.
    struct Taken {
      mqtt::PacketId id;
      std::uint32_t owner;
      GroupAnswer answer;
    };
    std::vector<Taken> taken;
    std::vector<std::string> left;  ///< subscriptions that are no more with this write: their logs
  };
  using OnSaved = std::function<void(const result<void>&, const Saved&)>;
  Saved unsaved(session::Session& s, ClientKey k = {});
  void save(Channel& c);
  void save(session::Session& s, ClientKey k, Saved what, OnSaved done);
  void answer_taken(Channel* c, const Saved& w, bool stored);
  void send_unsent(Channel& c, const std::vector<mqtt::PacketId>& ids);
  void touch(std::uint32_t slot);
  void store_failed(ClientKey k, const error_code& why);

  // groups.cc
  void join_group(DurableGroup& g);
  void claim_group(ports::LogId log);
  void group_claimed(ports::LogId log, model::SessionRecord record);
  void pump_group(ports::LogId log);
  void hand_out_group(DurableGroup& g);
  bool renumber_oldest(DurableGroup& g);
  bool next_of_group(DurableGroup& g);
  void read_for_group(DurableGroup& g, mqtt::PacketId id);
  void read_for_group(DurableGroup& g, mqtt::PacketId id, model::Position after);
  bool pick_for_group(DurableGroup& g, std::uint64_t topic_hash, bool only_here, Subscriber& out);
  void end_of_group(DurableGroup& g, mqtt::PacketId id);
  void ask_taken(ports::LogId log, mqtt::PacketId id);
  void group_moved(DurableGroup& g);
  void save_group(DurableGroup& g, Saved w);
  void tick_groups();
  void count_for_member(DurableGroup& g, const GroupAnswer& a);
  void member_settled(DurableGroup& g, const GroupAnswer& a);

  // group_nodes.cc
  DurableGroup* find_group(std::string_view filter);
  std::uint32_t local_members(const DurableGroup& g);
  bool owned_elsewhere(const DurableGroup& g);
  bool may_own(DurableGroup& g);
  bool may_hand_out(ports::LogId log);
  void wake_groups();
  void ask_nodes(DurableGroup& g);
  void adopt_group(DurableGroup& g, const ports::Peers::GroupReplies& replies);
  void audit_group(DurableGroup& g);
  void nodes_answered(DurableGroup& g, const ports::Peers::GroupReplies& replies, std::uint64_t asked);
  void begin_owning(DurableGroup& g);
  void forget_passed(DurableGroup& g);
  void lose_group(DurableGroup& g);
  bool had_before(DurableGroup& g, const ports::StoredMessage& m);
  void give_up_peer(DurableGroup& g, ports::PeerNumber peer);
  void to_node(DurableGroup& g, GroupDelivery d);
  void answer_owner(DurableGroup& g, GroupAnswer::What what, model::Position p = {}, std::uint64_t number = 0);
  void take_for_members(DurableGroup& g, const ports::GroupNote& note);
  bool give_to_member(DurableGroup& g, model::Position p, const model::MessagePtr& m, std::uint64_t number);
  void member_answered(DurableGroup& g, const GroupAnswer& a);
  void say_room(DurableGroup& g, GroupAnswer::What what);
  void tell_stored(DurableGroup& g, const absl::flat_hash_map<ports::PeerNumber, std::uint64_t>& answered);

  // group_members.cc
  struct GroupMail {
    std::vector<GroupDelivery> deliveries;
    std::vector<GroupAnswer> answers;
  };
  void answer_group(std::uint32_t owner, const GroupAnswer& a);
  void flush_group_mail();
  void tell_groups_of_room(Channel& c);
  Extra::Refused* has_refused(std::uint32_t slot, ports::LogId log);
  bool takes_again(Channel& c, ports::LogId log);
  void to_member(GroupDelivery d);
  void tell_group_of_member(Channel& c, const session::Subscription& sub);
  void unsure_of_group_messages(session::Session& s, ClientKey k);
  void return_to_groups(session::Session& s, ClientKey k);

  Node& node_;
  const std::size_t shard_;
  io::EventLoop& loop_;
  Stores stores_;
  Admission admission_;
  struct Wake final : io::Timer {
    void on_timer() override {}  // the end of the turn does the work
  };
  Wake admission_wake_;
  EventLog event_log_;
  TokenBucket event_rate_{5000, 20'000};
  std::vector<std::pair<channel::EventKind, std::string>> events_;  ///< of this turn, to be published
  RouteCache routes_;
  LogFeeds feeds_;
  channel::Fanout::Scratch scratch_;
  std::vector<Client> clients_;
  std::uint32_t free_ = kNoSlot;
  std::uint64_t next_message_id_;
  std::uint64_t next_client_number_ = 1;
  std::vector<std::unique_ptr<Slab>> slabs_;
  Slab* filling_ = nullptr;
  std::uint64_t filling_shards_ = 0;
  bool congested_ = false;
  std::vector<ports::LogStore::Append> appends_;
  std::vector<PendingPtr> append_waiters_;
  PendingPtr publishing_;  ///< of the message that is being routed
  std::unique_ptr<ports::PeerBatch> for_peers_;
  std::vector<PendingPtr> peer_waiters_;
  /// A QoS > 0 message that went where the routes of its time led, which were not fresh.
  struct Held {
    PendingPtr pending;
    model::MessagePtr message;
    RoutePtr route;
    MonoTime until;
    ports::LogStore::Origin origin;
  };
  static constexpr std::size_t kHeldBytes = 64 * 1024 * 1024;
  std::deque<Held> held_;
  std::size_t held_bytes_ = 0;
  Wake held_wake_;
  std::vector<ports::Peers::Change> interests_;
  std::vector<std::shared_ptr<PendingSubscribe>> interest_waiters_;
  static constexpr std::size_t kLate = 10'000;
  /// A message of the broker itself that a store that is away has not taken.
  struct Late {
    model::MessagePtr message;
    Told told;                ///< null: it is no will that others may publish
    bool for_others = false;  ///< a will of which only the clients here have heard
  };
  std::vector<Late> late_;
  std::vector<std::uint32_t> dirty_;  ///< slots of durable sessions of which the store does not know all
  std::uint64_t next_scan_ = 1;
  std::uint64_t scanning_ = 0;  ///< ClientKey::packed of whom scan_retained is under way for, 0 = nobody
  bool scan_again_ = false;
  absl::flat_hash_map<std::uint64_t, std::vector<std::function<void()>>>
      leaving_;  ///< sessions on their way to the store
  absl::flat_hash_map<std::uint32_t, std::pair<SharedGroupPtr, std::uint32_t>>
      groups_;                                                                       ///< of local members, with a count
  absl::flat_hash_map<ports::LogId, std::unique_ptr<DurableGroup>> durable_groups_;  ///< that this shard owns
  StringMap<ports::LogId> group_logs_;                                               ///< of them, by filter
  static constexpr std::uint64_t kAudit = 5;  ///< ticks that a node may keep messages before it is asked
  std::uint64_t group_ticks_ = 0;
  std::set<ports::LogId> waiting_groups_;  ///< until this node is fresh
  Wake group_wake_;
  std::set<ports::LogId> retry_groups_;  ///< with the next tick
  std::vector<ports::LogId> dirty_groups_;
  std::uint64_t burials_ = 0;                                    ///< of this node
  std::vector<std::pair<ports::LogId, mqtt::PacketId>> unsure_;  ///< whether a member has it the store has to say
  std::vector<GroupMail> group_mail_;                            ///< by shard
  bool due_running_ = false;
  std::uint64_t rights_version_ = 0;  ///< of the index: routes from before do not know who is restricted now
  std::set<std::pair<WallTime, std::uint64_t>> rights_ends_;  ///< ClientKey::packed; may have left
};

template <class F>
void Core::on_shard(std::size_t shard, F f) {
  if (shard == shard_)
    f(*this);
  else
    node_.cores[shard]->loop().post_fn([to = node_.cores[shard], f = std::move(f)]() mutable { f(*to); });
}

}  // namespace sb::broker
