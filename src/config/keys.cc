// SPDX-License-Identifier: MIT
#include "config/keys.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "config/rows.h"
#include "http/url.h"

namespace sb::config {
namespace {

using enum Takes;
constexpr Bounds kPath{0, 4096};

constexpr std::array<std::string_view, 3> kAnonymous = {"auto", "yes", "no"};
constexpr std::array<std::string_view, 4> kSharedStrategies = {"round_robin", "random", "hash", "least_inflight"};
constexpr std::array<std::string_view, 5> kLogLevels = {"trace", "debug", "info", "warn", "error"};
constexpr std::array<std::string_view, 3> kEventLogs = {"none", "refusals", "all"};
constexpr std::array<std::string_view, 2> kLogFormats = {"text", "json"};

// A node name is part of topics ($SYS) and of names in the store.
std::string check_node_name(const Value& v) {
  const auto& s = std::get<std::string>(v);
  bool ok = std::all_of(s.begin(), s.end(), [](unsigned char c) {
    return (c < 0x80 && std::isalnum(c)) || c == '-' || c == '_' || c == '.';
  });
  return ok ? "" : "has other characters than letters, digits, \"-\", \"_\" and \".\"; leave them out";
}

std::string check_tcp(const Value& v) {
  return std::get<std::string>(v).starts_with("unix:") ? "a unix socket, which HTTP is not spoken on; write an address "
                                                         "such as \"127.0.0.1:18083\", or \"\" for off"
                                                       : "";
}

std::string check_topic_prefix(const Value& v) {
  bool wildcard = std::get<std::string>(v).find_first_of("+#") != std::string::npos;
  return wildcard ? "has a wildcard; clients publish to topics below it, so leave out \"+\" and \"#\"" : "";
}

void add_admin_keys(Rows<Config>& row) {
  row.address(
         "admin.bind", SB_FIELD(admin.bind), restart,
         "Address of the HTTP API for operators and `signalbox ctl` (docs/ctl.md), no unix socket. Beyond loopback it "
         "needs `admin.token_file`.")
      .check = check_tcp;
  row.text("admin.token_file", SB_FIELD(admin.token_file), kPath, reload,
           "File with a token that who uses the API has to show as `Authorization: Bearer`; /health and /ready are for "
           "everybody. Others may not read it (mode 0600). Empty: no token is needed.");
  row.list(
      "admin.hosts", SB_FIELD(admin.hosts), reload,
      "Names under which the API may be asked (header `Host`), beside `localhost`, loopback addresses, the name of "
      "`admin.bind` and the address that a connection came to.");
}

}  // namespace

void add_general_keys(std::vector<Key>& out) {
  Rows<Config> row(out);
  row.text("node.name", SB_FIELD(node.name), {0, 128}, restart,
           "Name of this node, unique among the nodes that work together. Empty: the host name.")
      .check = check_node_name;
  row.number("node.shards", SB_FIELD(node.shards), {0, 1024}, restart,
             "Parts that share out the connections, with a thread each when there is work for it. 0: one per core.");
  row.number("node.drain_rate", SB_FIELD(node.drain_rate), {1, 1'000'000}, reload,
             "Connections that a node which drains (`signalbox ctl drain`) sends away in a second. SIGTERM does the "
             "same, but faster where it would take longer than four seconds.");

  add_admin_keys(row);
  add_store_keys(out);
  add_redis_store_keys(out);

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

void add_ban_keys(Rows<Config>& row) {
  row.text("bans.file", SB_FIELD(bans.file), kPath, reload,
           "File of who may not come in (docs/security.md). A reload reads it again, and closes connections of whom it "
           "names. Empty: none.");
  row.number(
      "bans.flapping", SB_FIELD(bans.flapping), {0, 1'000'000}, reload,
      "Connects of one client id from one address within `bans.flapping_window` at which this pair is banned for "
      "`bans.time`. 0: never.");
  row.duration("bans.flapping_window", SB_FIELD(bans.flapping_window), {1, 86400}, reload, "See `bans.flapping`.");
  row.number("bans.failures", SB_FIELD(bans.failures), {0, 1'000'000}, reload,
             "Refused logins from one address within `bans.failures_window` at which the address is banned for "
             "`bans.time`. 0: never.");
  row.duration("bans.failures_window", SB_FIELD(bans.failures_window), {1, 86400}, reload, "See `bans.failures`.");
  row.duration("bans.time", SB_FIELD(bans.time), {1, 31'536'000}, reload, "How long these bans last.");
}

std::string check_http_url(const Value& v) {
  std::string why;
  const auto& text = std::get<std::string>(v);
  if (text.empty() || http::parse_url(text, why)) return "";
  if (why.find("password") != why.npos) return why + "; put what the server wants into `auth.http.token_file`";
  return why + "; write a URL such as \"https://auth.example.org/mqtt\"";
}

void add_http_keys(Rows<Config>& row) {
  row.text("auth.http.url", SB_FIELD(auth.http.url), {0, 4096}, reload,
           "Where to ask who a client is that shows a user name or a password which nothing above knows: `http://` or "
           "`https://` (docs/security.md has the form). Without a good answer the client is refused. Empty: nobody is "
           "asked.")
      .check = check_http_url;
  row.text(
         "auth.http.acl_url", SB_FIELD(auth.http.acl_url), {0, 4096}, restart,
         "Where to ask what a client may do, once when it comes in and again from half of `auth.http.acl_ttl` on. Who "
         "got rights with a token or from `auth.http.url` has those. In place of `auth.acl_file`. Empty: nobody is "
         "asked.")
      .check = check_http_url;
  row.duration("auth.http.timeout", SB_FIELD(auth.http.timeout), {10, 60'000}, reload,
               "Time for an answer, from waiting for a connection to its last byte.")
      .unit_ms = 1;
  row.duration("auth.http.cache", SB_FIELD(auth.http.cache), {0, 86400}, reload,
               "How long an answer of `auth.http.url` is remembered, good ones and bad ones, unless it says so itself "
               "(`ttl`). 0: not at all.");
  row.duration("auth.http.acl_ttl", SB_FIELD(auth.http.acl_ttl), {4, 86400}, reload,
               "How long rights from `auth.http.acl_url` hold, unless they say so themselves (`ttl`). When they could "
               "not be renewed by then, the client may do nothing until they are.");
  row.text("auth.http.ca_file", SB_FIELD(auth.http.ca_file), kPath, reload,
           "PEM file with the authorities that `https://` servers are checked against. Empty: those of the system.");
  row.text("auth.http.token_file", SB_FIELD(auth.http.token_file), kPath, reload,
           "File with a token that is sent as `Authorization: Bearer`. Empty: none.");
  row.number("auth.http.max_pending", SB_FIELD(auth.http.max_pending), {1, 1'000'000}, reload,
             "Questions that wait for one of 16 connections to a server. Above, clients are refused with 0x89.");
  row.number("auth.http.failures", SB_FIELD(auth.http.failures), {1, 1'000'000}, reload,
             "After so many questions in a row without a good answer a server is left alone for a while, and who would "
             "need it is refused at once.");
  row.duration("auth.http.retry_after", SB_FIELD(auth.http.retry_after), {1, 3600}, reload,
               "How long it is left alone. Then one question decides.");
}

void add_redis_keys(Rows<Config>& row) {
  Key& url = row.text(
      "auth.redis.url", SB_FIELD(auth.redis.url), {0, 4096}, restart,
      "Redis with users and their rights (docs/security.md has the form), asked for user names that no file has: "
      "`redis://`, `rediss://`, `unix://`, `redis+sentinel://` or `redis+cluster://`. When it does not answer, clients "
      "are refused. Empty: it is not asked.");
  url.check = check_redis_url;
  url.hides_password = true;
  row.text("auth.redis.ca_file", SB_FIELD(auth.redis.ca_file), kPath, restart,
           "PEM file with the authorities that the certificate of `rediss://` is checked against. Empty: those of the "
           "system.");
  row.text("auth.redis.prefix", SB_FIELD(auth.redis.prefix), {0, 256}, restart,
           "What the keys of users begin with, in front of `{u:NAME}`.");
  row.duration("auth.redis.timeout", SB_FIELD(auth.redis.timeout), {10, 60'000}, restart,
               "Time for an answer of Redis, with all that it takes to get one.")
      .unit_ms = 1;
  row.duration("auth.redis.cache", SB_FIELD(auth.redis.cache), {2, 86400}, restart,
               "How old what is known of a user may be. Within that time a change takes effect; rights that could not "
               "be asked for again by then allow nothing until they are.");
}

void add_security_keys(std::vector<Key>& out) {
  Rows<Config> row(out);
  row.choice("auth.allow_anonymous", SB_FIELD(auth.allow_anonymous), kAnonymous, reload,
             "Whether clients without a user name may come in. `auto`: on listeners with a loopback address "
             "or a unix "
             "socket only. A listener's own `allow_anonymous` wins over this one.");
  row.text("auth.password_file", SB_FIELD(auth.password_file), kPath, reload,
           "File of users (`signalbox passwd` writes it), for user name and password in CONNECT, and for SCRAM. A name "
           "that is not in it is refused, unless `auth.redis.url` or `auth.http.url` is asked. Empty: no file.");
  row.text("auth.scram_file", SB_FIELD(auth.scram_file), kPath, reload,
           "File of users for SCRAM-SHA-256 (enhanced authentication), when it is another one than "
           "`auth.password_file`. Without users SCRAM is not offered.");
  row.text("auth.acl_file", SB_FIELD(auth.acl_file), kPath, reload,
           "File of rights in Mosquitto's format: who may publish and receive what (docs/security.md). Rights that a "
           "reload takes away are gone at once, for sessions that are connected or away and for messages that wait. "
           "Empty: everything is allowed.");
  row.text(
      "auth.certificate_map", SB_FIELD(auth.certificate_map), kPath, reload,
      "File that gives the identities of client certificates (`identity_as_username`) user names, one "
      "`IDENTITY -> USER` in a line, with a `*` on each side at most; an identity without a line is refused. Empty: "
      "the identity is the user name.");
  add_jwt_keys(row);
  add_redis_keys(row);
  add_http_keys(row);
  add_ban_keys(row);
  row.text("response.information", SB_FIELD(response.information), {0, 65535}, reload,
           "Topic prefix that a v5 client is told as Response Information when it asks for it. Empty: none.")
      .check = check_topic_prefix;
  row.text("server.reference", SB_FIELD(server.reference), {0, 65535}, reload,
           "Server Reference for v5 clients that are sent to another server. Empty: none.");
}

void add_log_keys(std::vector<Key>& out) {
  Rows<Config> row(out);
  row.choice("events.log", SB_FIELD(events.log), kEventLogs, reload,
             "Events of clients in the log. `refusals`: who was refused, banned, limited, denied something or thrown "
             "out, one line a second of each kind. `all`: every connect, disconnect and takeover as well.");
  row.boolean("events.topics", SB_FIELD(events.topics), reload,
              "Whether all events are published as JSON on `$SYS/brokers/events/#`, too.");
  row.choice("log.level", SB_FIELD(log.level), kLogLevels, reload, "Least important event that is logged.");
  row.choice("log.format", SB_FIELD(log.format), kLogFormats, restart,
             "`text`: `key=value` pairs. `json`: one object per line.");
  row.text("log.file", SB_FIELD(log.file), kPath, reload,
           "File that the log is appended to. Empty: standard error. A reload opens it again, for log rotation.");
}

const std::vector<Key>& keys() {
  static const std::vector<Key> all = [] {
    std::vector<Key> out;
    out.reserve(160);  // the builders hand out references
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
