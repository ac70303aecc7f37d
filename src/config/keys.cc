// SPDX-License-Identifier: MIT
#include "config/keys.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "config/rows.h"

namespace sb::config {
namespace {

using enum Takes;
constexpr Bounds kPath{0, 4096};

constexpr std::array<std::string_view, 3> kAnonymous = {"auto", "yes", "no"};
constexpr std::array<std::string_view, 2> kStoreKinds = {"memory", "embedded"};
constexpr std::array<std::string_view, 1> kLaterStoreKinds = {"redis"};
constexpr std::array<std::string_view, 3> kWriteConcerns = {"fsync", "interval", "none"};
constexpr std::array<std::string_view, 4> kSharedStrategies = {"round_robin", "random", "hash", "least_inflight"};
constexpr std::array<std::string_view, 5> kLogLevels = {"trace", "debug", "info", "warn", "error"};
constexpr std::array<std::string_view, 2> kLogFormats = {"text", "json"};

// A node name is part of topics ($SYS) and of names in the store.
std::string check_node_name(const Value& v) {
  const auto& s = std::get<std::string>(v);
  bool ok = std::all_of(s.begin(), s.end(), [](unsigned char c) {
    return (c < 0x80 && std::isalnum(c)) || c == '-' || c == '_' || c == '.';
  });
  return ok ? "" : "has other characters than letters, digits, \"-\", \"_\" and \".\"; leave them out";
}

std::string check_topic_prefix(const Value& v) {
  bool wildcard = std::get<std::string>(v).find_first_of("+#") != std::string::npos;
  return wildcard ? "has a wildcard; clients publish to topics below it, so leave out \"+\" and \"#\"" : "";
}

void add_store_keys(Rows<Config>& row) {
  Key& kind = row.choice("store.kind", SB_FIELD(store.kind), kStoreKinds, restart,
                         "Where durable sessions, their messages and retained messages are kept. `memory`: in this "
                         "process, gone when it ends. `embedded`: in files of this node, see `store.path`.");
  kind.later = kLaterStoreKinds;
  row.text("store.path", SB_FIELD(store.path), kPath, restart,
           "Directory of the embedded store, made when it is not there; one broker at a time. Empty: the "
           "`STATE_DIRECTORY` of systemd, else `/var/lib/signalbox` for root, else `signalbox` in `XDG_STATE_HOME` or "
           "`~/.local/state`.");
  row.choice("store.write_concern", SB_FIELD(store.write_concern), kWriteConcerns, restart,
             "What an acknowledgement means with the embedded store. `fsync`: it is on the disk. `interval`: the "
             "operating system has it, and the disk within `store.sync_interval`. `none`: the operating system has it. "
             "A kill of the broker loses nothing with any of them; a power failure may with the last two.");
  row.duration("store.sync_interval", SB_FIELD(store.sync_interval), {1, 3'600'000}, restart,
               "Longest time until what was acknowledged is on the disk, with `store.write_concern` = `interval`.")
      .unit_ms = 1;
}

}  // namespace

void add_general_keys(std::vector<Key>& out) {
  Rows<Config> row(out);
  row.text("node.name", SB_FIELD(node.name), {0, 128}, restart,
           "Name of this node, unique among the nodes that work together. Empty: the host name.")
      .check = check_node_name;
  row.number("node.shards", SB_FIELD(node.shards), {0, 1024}, restart,
             "Parts that share out the connections, with a thread each when there is work for it. 0: one per core.");

  add_store_keys(row);

  row.choice(
      "session.shared_strategy", SB_FIELD(session.shared_strategy), kSharedStrategies, reload,
      "Which member of a shared subscription gets the next message. `hash`: by the topic, so that the messages of "
      "one topic go to one member in order. `least_inflight`: the member with the fewest unacknowledged messages.");

  row.duration("sys.interval", SB_FIELD(sys.interval), {0, 86400}, reload,
               "Time between two publications of the `$SYS/#` topics. 0: none.");
}

void add_jwt_keys(Rows<Config>& row) {
  row.text("auth.jwt.secret_file", SB_FIELD(auth.jwt.secret_file), kPath, reload,
           "File with the secret of tokens with HS256, at least 32 bytes. A client sends a JSON Web Token as its "
           "password; without any key (this and the next three) passwords are not taken for tokens.");
  row.boolean("auth.jwt.secret_base64", SB_FIELD(auth.jwt.secret_base64), reload,
              "Whether the file of `auth.jwt.secret_file` holds base64 instead of the bytes themselves.");
  row.text("auth.jwt.rs256_file", SB_FIELD(auth.jwt.rs256_file), kPath, reload,
           "PEM file with the public keys of tokens with RS256, at least 2048 bits.");
  row.text("auth.jwt.es256_file", SB_FIELD(auth.jwt.es256_file), kPath, reload,
           "PEM file with the public keys of tokens with ES256.");
  row.text("auth.jwt.jwks_file", SB_FIELD(auth.jwt.jwks_file), kPath, reload, "File with a JWK Set (RFC 7517).");
  row.text("auth.jwt.issuer", SB_FIELD(auth.jwt.issuer), {0, 4096}, reload,
           "What the claim `iss` of a token has to be. Empty: anything.");
  row.text(
      "auth.jwt.audience", SB_FIELD(auth.jwt.audience), {0, 4096}, reload,
      "What the claim `aud` of a token has to name. Empty: tokens with an `aud` are for somebody else, and refused.");
  row.text("auth.jwt.username_claim", SB_FIELD(auth.jwt.username_claim), {1, 256}, reload,
           "Claim that gives the user name.");
  row.boolean("auth.jwt.match_username", SB_FIELD(auth.jwt.match_username), reload,
              "Whether a user name in CONNECT has to be that of the token.");
  row.text("auth.jwt.client_id_claim", SB_FIELD(auth.jwt.client_id_claim), {0, 256}, reload,
           "Claim that, where a token has it, has to be the client id. Empty: none.");
  row.text("auth.jwt.client_id", SB_FIELD(auth.jwt.client_id), {0, 4096}, reload,
           "What the client id has to be; `%u` stands for the user name of the token. Empty: anything.");
  row.boolean("auth.jwt.require_expiry", SB_FIELD(auth.jwt.require_expiry), reload,
              "Whether a token has to have an end (`exp`). When it comes the connection is closed with 0xA0.");
  row.duration("auth.jwt.leeway", SB_FIELD(auth.jwt.leeway), {0, 3600}, reload,
               "How far the clock of who issues tokens may be off.");
}

void add_security_keys(std::vector<Key>& out) {
  Rows<Config> row(out);
  row.choice("auth.allow_anonymous", SB_FIELD(auth.allow_anonymous), kAnonymous, reload,
             "Whether clients without a user name may come in. `auto`: on listeners with a loopback address "
             "or a unix "
             "socket only. A listener's own `allow_anonymous` wins over this one.");
  row.text("auth.password_file", SB_FIELD(auth.password_file), kPath, reload,
           "File of users (`signalbox passwd` writes it), for user name and password in CONNECT, and for SCRAM. A name "
           "that is not in it is refused. Empty: passwords are not looked at.");
  row.text("auth.scram_file", SB_FIELD(auth.scram_file), kPath, reload,
           "File of users for SCRAM-SHA-256 (enhanced authentication), when it is another one than "
           "`auth.password_file`. Without users SCRAM is not offered.");
  row.text("auth.acl_file", SB_FIELD(auth.acl_file), kPath, reload,
           "File of rights in Mosquitto's format: who may publish and receive what (docs/security.md). Rights that a "
           "reload takes away are gone at once, for sessions that are connected or away and for messages that wait. "
           "Empty: everything is allowed.");
  add_jwt_keys(row);
  row.text("response.information", SB_FIELD(response.information), {0, 65535}, reload,
           "Topic prefix that a v5 client is told as Response Information when it asks for it. Empty: none.")
      .check = check_topic_prefix;
  row.text("server.reference", SB_FIELD(server.reference), {0, 65535}, reload,
           "Server Reference for v5 clients that are sent to another server. Empty: none.");
}

void add_log_keys(std::vector<Key>& out) {
  Rows<Config> row(out);
  row.choice("log.level", SB_FIELD(log.level), kLogLevels, reload, "Least important event that is logged.");
  row.choice("log.format", SB_FIELD(log.format), kLogFormats, restart,
             "`text`: `key=value` pairs. `json`: one object per line.");
  row.text("log.file", SB_FIELD(log.file), kPath, reload,
           "File that the log is appended to. Empty: standard error. A reload opens it again, for log rotation.");
}

const std::vector<Key>& keys() {
  static const std::vector<Key> all = [] {
    std::vector<Key> out;
    out.reserve(96);  // the builders hand out references
    add_general_keys(out);
    add_listener_keys(out);
    add_security_keys(out);
    add_limit_keys(out);
    add_log_keys(out);
    return out;
  }();
  return all;
}

}  // namespace sb::config
