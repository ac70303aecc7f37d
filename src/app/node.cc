// SPDX-License-Identifier: MIT
#include "app/node.h"

#include <sys/resource.h>

#include <algorithm>
#include <future>

#include "app/logging.h"
#include "app/stores.h"
#include "auth/user_file.h"
#include "base/log.h"
#include "config/reload.h"

namespace sb::app {
namespace {

constexpr Millis kDrainTime{5000};       // of a process that ends; for the last output of clients that read slowly
constexpr double kDrainPace = 4;         // seconds of it in which all connections begin to end
constexpr std::size_t kSpareFiles = 64;  // descriptors that are not connections

/// Raises the limit of open files as far as this process may; answers how many connections it allows.
std::size_t connection_bound(std::uint32_t configured) {
  rlimit r{};
  ::getrlimit(RLIMIT_NOFILE, &r);
  r.rlim_cur = r.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &r);
  ::getrlimit(RLIMIT_NOFILE, &r);
  std::size_t files = r.rlim_cur > kSpareFiles ? static_cast<std::size_t>(r.rlim_cur) - kSpareFiles : 1;
  return configured == 0 ? files : std::min<std::size_t>(configured, files);
}

net::ListenerKind kind_of(config::ListenerKind k) { return static_cast<net::ListenerKind>(k); }

io::TlsIdentity identity_of(config::CertificateName n) {
  switch (n) {
    case config::CertificateName::none:
      return io::TlsIdentity::none;
    case config::CertificateName::cn:
      return io::TlsIdentity::cn;
    case config::CertificateName::dn:
      return io::TlsIdentity::dn;
    case config::CertificateName::san:
      return io::TlsIdentity::san;
  }
  return io::TlsIdentity::none;
}

const char* store_name(config::StoreKind k) {
  switch (k) {
    case config::StoreKind::memory:
      return "memory";
    case config::StoreKind::embedded:
      return "embedded";
    case config::StoreKind::redis:
      return "redis";
  }
  return "";
}

broker::SharedStrategy strategy_of(config::SharedStrategy s) { return static_cast<broker::SharedStrategy>(s); }

result<std::shared_ptr<const io::TlsContext>> tls_context(const config::ListenerConfig& l, std::string& why) {
  io::TlsServerConfig t;
  t.cert_file = l.tls.cert;
  t.key_file = l.tls.key;
  t.client_ca_file = l.tls.client_ca;
  using ClientCert = io::TlsServerConfig::ClientCert;
  t.client_cert = l.tls.client_ca.empty()     ? ClientCert::none
                  : l.tls.require_client_cert ? ClientCert::required
                                              : ClientCert::optional;
  t.min_version = l.tls.min_version == config::TlsVersion::v1_3 ? io::TlsVersion::v1_3 : io::TlsVersion::v1_2;
  t.ciphers = l.tls.ciphers;
  for (auto& s : l.tls.sni) t.sni.push_back({s.name, s.cert, s.key});
  if (l.kind == config::ListenerKind::mqtts) t.alpn = {"mqtt"};
  return io::TlsContext::server(t, why);
}

/// Runs `f` on a shard's loop and waits for it.
template <class F>
void on_loop(net::Shard& shard, F f) {
  std::promise<void> done;
  shard.loop().post_fn([&] {
    f();
    done.set_value();
  });
  done.get_future().wait();
}

}  // namespace

/// Publishes $SYS from shard 0.
class BrokerNode::SysTimer final : public io::Timer {
 public:
  SysTimer(broker::Node& node, net::Shard& shard, const store::Backend& store, const MemoryWatch& memory)
      : shard_(shard),
        store_(store),
        memory_(memory),
        topics_(node, shard.core(), "signalbox version " SIGNALBOX_VERSION, shard.loop().now()) {}
  ~SysTimer() { shard_.loop().timers().cancel(*this); }
  void set_interval(Seconds s) {
    interval_ = s;
    shard_.loop().timers().cancel(*this);
    if (s.count() > 0) on_timer();
  }
  void on_timer() override {
    topics_.publish(shard_.loop().now(),
                    {store_.retained->count(), store_.engine ? store_.engine->unavailable() : "", memory_.resident()});
    shard_.loop().timers().set(*this, shard_.loop().now() + interval_);
  }

 private:
  net::Shard& shard_;
  const store::Backend& store_;
  const MemoryWatch& memory_;
  broker::SysTopics topics_;
  Seconds interval_{0};
};

BrokerNode::BrokerNode(const config::Config& c) : config_(c) {
  node_.limits = c.limits;
  node_.name = c.node.name;
  node_.stores_in_memory = c.store.kind == config::StoreKind::memory;
  gate_ = std::make_shared<net::Gate>(c.limits.connections_per_address, &node_.bans);
  node_.shared_strategy = strategy_of(c.session.shared_strategy);
  node_.authenticator = login_.get();
  node_.enhanced = &scram_;
  const bool by_name = c.auth.http.acl_url.empty();
  node_.authorizer = by_name ? static_cast<ports::Authorizer*>(&acl_) : &asked_rights_;
}

BrokerNode::~BrokerNode() { stop(); }

std::string BrokerNode::open_store(const std::function<bool()>& ends) {
  auto on_log = [this](std::string_view filter, ports::LogId log) {
    if (node_.cores.empty())
      found_logs_.emplace_back(filter, log);
    else
      node_.log_changed(filter, log);
  };
  store_ = std::make_unique<store::Service>();
  if (config_.store.kind == config::StoreKind::redis) {
    node_.hold = Millis(config_.redis.hold);
    cluster::Options o;
    o.node = config_.node.name;
    o.detail = SIGNALBOX_VERSION;
    o.lease = Millis(config_.cluster.lease);
    o.inbox_bytes = config_.cluster.inbox_bytes;
    cluster_ = std::make_unique<ClusterNode>(node_, std::move(o));
  }
  return open_stores(config_, on_log, *store_, cluster_.get(), ends);
}

void BrokerNode::make_shards() {
  const std::uint32_t wanted = config_.node.shards ? config_.node.shards : std::thread::hardware_concurrency();
  const std::size_t shards = std::clamp<std::size_t>(wanted, 1, 64);
  node_.cores.resize(shards);
  for (std::size_t i = 0; i < shards; ++i) {
    shards_.push_back(std::make_unique<net::Shard>());
    shards_.back()->set_half_open_bound((config_.limits.half_open + shards - 1) / shards);
    shard_stores_.push_back(std::make_unique<store::ShardStores>(*store_, shards_[i]->loop()));
    broker::Stores s{&shard_stores_[i]->logs(), &shard_stores_[i]->sessions(), &shard_stores_[i]->retained()};
    if (cluster_) {
      peers_.push_back(std::make_unique<cluster::ShardPeers>(cluster_->cluster(), store_->loop(), shards_[i]->loop()));
      s.peers = peers_.back().get();
    }
    auto core = std::make_unique<broker::Core>(node_, i, shards_[i]->loop(), s);
    node_.cores[i] = core.get();
    shards_[i]->set_core(std::move(core));
  }
  for (auto& [filter, log] : std::exchange(found_logs_, {})) node_.log_changed(filter, log);
}

namespace {

/// What a file holds, null when none is named. `why`: what is wrong with it.
template <class T>
std::shared_ptr<const T> load_file(const std::string& file, std::string& why) {
  if (file.empty()) return nullptr;
  std::vector<std::string> warnings;
  auto loaded = T::load(file, why, warnings);
  for (auto& w : warnings) log::warn("{}", w);
  return loaded ? *loaded : nullptr;
}

}  // namespace

std::string BrokerNode::load_users(const config::Config& c) {
  const std::string &file = c.auth.password_file, &scram_file = c.auth.scram_file;
  std::string why;
  std::shared_ptr<const auth::PasswordUsers> users;
  std::shared_ptr<const auth::ScramUsers> scram;
  if (!file.empty() && scram_file.empty()) {  // read once for both
    std::vector<std::string> warnings;
    auth::load_parsed(file, why, warnings, users, scram);
    for (auto& w : warnings) log::warn("{}", w);
    if (scram && scram->size() == 0) scram = nullptr;
  } else {
    users = load_file<auth::PasswordUsers>(file, why);
  }
  if (!why.empty()) return "auth.password_file: " + why;
  if (!scram_file.empty()) scram = load_file<auth::ScramUsers>(scram_file, why);
  if (!why.empty()) return "auth.scram_file: " + why;
  login_->set_users(std::move(users));
  scram_.replace(std::move(scram));
  return {};
}

std::string BrokerNode::load_tokens(const config::Config& c) {
  const auto& j = c.auth.jwt;
  using Form = auth::JwtKeyForm;
  std::vector<auth::JwtKeyFile> files;
  auto add = [&](Form form, const std::string& file) {
    if (!file.empty()) files.push_back({form, file, {}});
  };
  add(j.secret_base64 ? Form::secret_base64 : Form::secret, j.secret_file);
  add(Form::rs256_pem, j.rs256_file);
  add(Form::es256_pem, j.es256_file);
  add(Form::jwks, j.jwks_file);
  if (files.empty()) {
    login_->set_tokens(nullptr);
    return {};
  }
  std::string why;
  std::vector<std::string> warnings;
  auto keys = auth::JwtKeys::load(files, why, warnings);
  for (auto& w : warnings) log::warn("{}", w);
  if (!keys) return "auth.jwt: " + why;
  auth::JwtOptions o;
  auto some = [](const std::string& s) { return s.empty() ? std::optional<std::string>() : s; };
  o.leeway = Seconds(j.leeway);
  o.require_expiry = j.require_expiry;
  o.issuer = some(j.issuer);
  o.audience = some(j.audience);
  o.username_claim = j.username_claim;
  o.match_username = j.match_username;
  o.client_id_claim = j.client_id_claim;
  o.client_id = some(j.client_id);
  login_->set_tokens(std::make_shared<auth::JwtVerifier>(*keys, std::move(o)));
  return {};
}

std::string BrokerNode::load_certificate_map(const config::Config& c) {
  std::string why;
  auto map = load_file<auth::CertificateMap>(c.auth.certificate_map, why);
  if (!why.empty()) return "auth.certificate_map: " + why;
  login_->set_certificates(std::move(map));
  return {};
}

void BrokerNode::rights_changed(const std::shared_ptr<const void>& replaced) {
  for (auto& s : shards_) s->loop().post_fn([core = &s->core(), replaced] { core->rights_changed(); });
}

std::string BrokerNode::load_rights(const config::Config& c) {
  std::string why;
  auto file = load_file<auth::AclFile>(c.auth.acl_file, why);
  if (!why.empty()) return "auth.acl_file: " + why;
  acl_.replace(std::move(file));
  return {};
}

std::string BrokerNode::load_bans(const config::Config& c) {
  std::string why;
  auto file = load_file<auth::BanFile>(c.bans.file, why);
  if (!why.empty()) return "bans.file: " + why;
  node_.bans.replace(std::move(file));
  node_.bans.set_rules({c.bans.flapping, c.bans.flapping_window, c.bans.failures, c.bans.failures_window, c.bans.time});
  return {};
}

void BrokerNode::set_events(const config::Config& c) {
  node_.events.log = static_cast<broker::EventOptions::Log>(c.events.log);
  node_.events.topics = c.events.topics;
}

std::string BrokerNode::listener_options(const config::Config& c, const config::ListenerConfig& l,
                                         net::ListenerOptions& o) const {
  o.kind = kind_of(l.kind);
  o.host = l.bind.host;
  o.port = l.bind.port;
  o.unix_path = l.bind.path;
  o.unix_mode = l.unix_mode;
  o.channel.limits = config::limits_of(c, l);
  o.channel.features = c.features;
  o.channel.allow_anonymous = config::anonymous_allowed(c, l);
  o.channel.response_information = c.response.information;
  o.channel.server_reference = c.server.reference;
  o.identity = identity_of(l.tls.identity_as_username);
  o.ws.path = l.path;
  o.ws.origins = l.origins;
  o.proxy = static_cast<net::ProxyMode>(l.proxy_protocol);
  o.max_connections = l.max_connections;
  o.gate = gate_;
  if (!config::is_tls(l.kind)) return {};
  std::string why;
  auto tls = tls_context(l, why);
  if (!tls) return why;
  for (auto& w : (*tls)->warnings()) log::warn("{}", w);
  o.tls = *tls;
  return {};
}

std::string BrokerNode::open_listeners() {
  for (std::size_t i = 0; i < config_.listeners.size(); ++i) {
    const auto& l = config_.listeners[i];
    if (!l.bind.enabled()) continue;
    std::string key = config::listener_name(config_, i);
    net::ListenerOptions o;
    if (std::string why = listener_options(config_, l, o); !why.empty()) return key + ": " + why;
    auto acceptor = net::Acceptor::open(o);
    if (!acceptor)
      return fmt::format("{}.bind: cannot listen on {}: {}; choose another address, or \"\" for no listener", key,
                         l.bind.text(), acceptor.error().message());
    listeners_.push_back({key, config::to_string(l.kind), std::move(*acceptor)});
  }
  if (listeners_.empty()) return "no listener is on: set listeners.mqtt.bind, for example to 127.0.0.1:1883";
  return {};
}

std::string BrokerNode::open_admin() {
  std::vector<net::Shard*> shards;
  std::vector<Drain::Listener> listeners;
  for (auto& s : shards_) shards.push_back(s.get());
  for (auto& l : listeners_) listeners.push_back({l.key, l.acceptor.get()});
  drain_ = std::make_unique<Drain>(node_, std::move(shards), std::move(listeners));
  if (!config_.admin.bind.enabled() && !cluster_) return {};
  std::vector<NodeControl::Listener> listed;
  for (auto& l : listeners_) listed.push_back({l.kind, l.acceptor.get()});
  NodeControl::Parts parts{back_ends_.control(),           node_,   store_->backend(),
                           store_name(config_.store.kind), *drain_, std::move(listed)};
  if (cluster_)
    parts.shared = [cluster = cluster_.get(), name = config_.cluster.name] {
      auto shared = cluster->status();
      shared.cluster.name = name;
      return shared;
    };
  control_ = std::make_unique<NodeControl>(std::move(parts));
  control_->set_drain_rate(config_.node.drain_rate);
  if (cluster_) join_control();
  if (!config_.admin.bind.enabled()) return {};
  admin::Control& all = cluster_control_ ? static_cast<admin::Control&>(*cluster_control_) : *control_;
  return admin_.open(config_, back_ends_.control(), all);
}

/// Operators ask all nodes from here, and this one from others; also when it has no admin listener of its own.
void BrokerNode::join_control() {
  bus_link_ = std::make_unique<BusLink>(back_ends_.control(), store_->loop(), *cluster_);
  auto clock = [] { return std::chrono::time_point_cast<Millis>(std::chrono::system_clock::now()); };
  cluster_control_ = std::make_unique<ClusterControl>(*control_, *bus_link_, clock);
  bus_link_->serve_with(
      [control = cluster_control_.get()](const std::string& kind, const std::string& body, BusLink::Reply reply) {
        control->serve(kind, body, std::move(reply));
      });
}

std::string BrokerNode::start(const std::function<bool()>& ends) {
  if (std::string why = load_users(config_); !why.empty()) return why;
  if (std::string why = load_tokens(config_); !why.empty()) return why;
  if (std::string why = load_certificate_map(config_); !why.empty()) return why;
  if (std::string why = load_rights(config_); !why.empty()) return why;
  if (std::string why = load_bans(config_); !why.empty()) return why;
  set_events(config_);
  if (std::string why = redis_login_.load(config_, *login_); !why.empty()) return why;
  node_.authorizer = &redis_login_.authorizer(*node_.authorizer);
  if (std::string why = back_ends_.load(config_, *login_); !why.empty()) return why;
  if (std::string why = open_store(ends); !why.empty()) return why;
  make_shards();
  if (std::string why = open_listeners(); !why.empty()) return why;
  if (std::string why = open_admin(); !why.empty()) return why;

  running_ = true;
  std::vector<io::EventLoop*> loops;
  for (auto& s : shards_) {
    s->start();
    loops.push_back(&s->loop());
  }
  if (shares_store_thread())
    loops.push_back(&store_->loop());
  else
    store_->start();
  threads_ = std::make_unique<io::LoopThreads>(std::move(loops));
  threads_->start();
  redis_login_.start([this](const std::shared_ptr<const void>& replaced) { rights_changed(replaced); });
  back_ends_.start([this](const std::shared_ptr<const void>& replaced) { rights_changed(replaced); });
  std::size_t bound = connection_bound(config_.limits.connections);
  std::vector<net::Shard*> all;
  for (auto& s : shards_) all.push_back(s.get());
  on_loop(*shards_.front(), [&] {
    memory_watch_ = std::make_unique<MemoryWatch>(node_, shards_.front()->loop(), config_.limits.memory);
    sys_timer_ = std::make_unique<SysTimer>(node_, *shards_.front(), store_->backend(), *memory_watch_);
    sys_timer_->set_interval(Seconds(config_.sys.interval));
    for (auto& l : listeners_) l.acceptor->start(*shards_.front(), all, bound);
  });
  admin_.start();
  return {};
}

std::vector<std::string> BrokerNode::listening() const {
  std::vector<std::string> lines;
  if (std::string line = admin_.line(); !line.empty()) lines.push_back(std::move(line));
  for (auto& l : listeners_) lines.push_back(fmt::format("listening {} {}", l.kind, l.acceptor->address()));
  return lines;
}

void BrokerNode::reload(const config::Config& next) {
  config::Config now = config::reloaded(config_, next);
  for (auto& change : config::diff(config_, next))
    if (change.reloadable)
      log::info("reloaded {} from {} to {}", change.key, change.before, change.after);
    else
      log::warn("{} changed from {} to {}: takes effect with the next start", change.key, change.before, change.after);
  if (std::string why = set_up_logging(now.log); !why.empty())
    log::error("log.file: {}; the log stays where it was", why);
  if (std::string why = load_users(now); !why.empty()) log::error("{}; the users stay as they were", why);
  if (std::string why = load_tokens(now); !why.empty()) log::error("{}; the keys stay as they were", why);
  if (std::string why = load_certificate_map(now); !why.empty()) log::error("{}; the map stays as it was", why);
  if (std::string why = back_ends_.load(now, *login_); !why.empty())
    log::error("{}; what is asked over HTTP stays as it was", why);
  if (std::string why = load_rights(now); !why.empty())
    log::error("{}; the rights stay as they were", why);
  else
    rights_changed(nullptr);
  if (std::string why = load_bans(now); !why.empty()) log::error("{}; the bans stay as they were", why);
  set_events(now);
  for (auto& s : shards_)
    s->loop().post_fn([core = &s->core()] {
      core->events_changed();
      core->bans_changed();
    });
  node_.shared_strategy = strategy_of(now.session.shared_strategy);
  if (std::string why = admin_.reload(now); !why.empty()) log::error("{}; the token stays as it was", why);
  if (control_) control_->set_drain_rate(now.node.drain_rate);
  for (auto& l : listeners_) {
    for (std::size_t i = 0; i < now.listeners.size(); ++i) {
      if (config::listener_name(now, i) != l.key) continue;
      net::ListenerOptions o;
      if (std::string why = listener_options(now, now.listeners[i], o); !why.empty()) {
        log::error("{}: {}; the listener stays as it was", l.key, why);
        continue;
      }
      auto& context = l.acceptor->context();
      context.set_channel(o.channel);
      context.max_connections = o.max_connections;
      if (o.tls) context.set_tls(o.tls);
    }
  }
  on_loop(*shards_.front(), [&] { sys_timer_->set_interval(Seconds(now.sys.interval)); });
  config_ = std::move(now);
}

void BrokerNode::drain() {
  auto until = std::chrono::steady_clock::now() + kDrainTime;
  on_loop(*shards_.front(), [&] {
    sys_timer_.reset();
    memory_watch_.reset();
    const double connections = static_cast<double>(drain_->connections());
    drain_->begin(std::max<double>(config_.node.drain_rate, connections / kDrainPace));
  });
  while (drain_->connections() > 0 && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(Millis(10));
  admin_.stop();
  stop();
}

/// A store in Redis waits for nothing but its sockets: while there is little to do the shards' thread runs it, too.
bool BrokerNode::shares_store_thread() const { return config_.store.kind == config::StoreKind::redis; }

/// What was asked of the stores is done, then the others hear that this node goes.
void BrokerNode::leave_cluster() {
  std::promise<void> left;
  store_->loop().post_fn([&] { store_->backend().engine->drain([&] { cluster_->leave([&] { left.set_value(); }); }); });
  left.get_future().wait();
}

void BrokerNode::stop() {
  if (!running_) return;
  running_ = false;
  admin_.stop();  // it asks the shards
  if (bus_link_) bus_link_->close();
  threads_->stop();
  const bool shared = shares_store_thread();
  threads_->join(shared ? &store_->loop() : nullptr);
  if (shared) store_->start();  // for what there is still to do
  redis_login_.stop();
  login_.reset();  // answers what waits; nobody hears it any more
  back_ends_.stop();
  if (cluster_) leave_cluster();
  store_->stop();  // behind everything that the shards have sent it
}

}  // namespace sb::app
