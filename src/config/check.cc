// SPDX-License-Identifier: MIT
#include "config/check.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

#include "config/table.h"

namespace sb::config {
namespace {

// Where the value of `key` comes from, for an error; "" for a default.
std::string where(const Loaded& loaded, const std::string& key) {
  auto found = loaded.origins.find(key);
  if (found == loaded.origins.end()) return "";
  const Origin& o = found->second;
  return o.kind == Origin::Kind::environment ? "environment " + o.name : o.text();
}

// A missing key has no place of its own: the place is that of the key that makes it needed.
void add(Loaded& loaded, const std::string& cause, const std::string& key, std::string value, std::string problem) {
  loaded.errors.push_back({where(loaded, cause), key, std::move(value), std::move(problem)});
}

bool has_error(const Loaded& loaded, const std::string& key) {
  return std::any_of(loaded.errors.begin(), loaded.errors.end(), [&](const Error& e) { return e.key == key; });
}

void check_extra(Loaded& loaded, const std::string& name) {
  for (const char* leaf : {"type", "bind"}) {
    std::string key = fmt::format("{}.{}", name, leaf);
    if (loaded.origins.contains(key) || has_error(loaded, key)) continue;
    std::string cause = name;
    for (const auto& [set, origin] : loaded.origins) {  // from the environment there are only its keys
      if (!loaded.origins.contains(name) && section_of(set) == name) cause = set;
    }
    bool type = std::string_view(leaf) == "type";
    add(loaded, cause, key, "",
        type ? "missing; write \"mqtt\", \"mqtts\", \"ws\" or \"wss\"" : "missing; write an address, or \"\" for off");
  }
}

void check_tls(Loaded& loaded, const std::string& name, const ListenerConfig& l) {
  auto need = [&](const std::string& value, const char* leaf, const char* cause, const std::string& why) {
    std::string key = fmt::format("{}.{}", name, leaf);
    if (value.empty() && !has_error(loaded, key)) {
      add(loaded, fmt::format("{}.{}", name, cause), key, "", fmt::format("missing; {}", why));
    }
  };
  if (l.bind.enabled()) {
    need(l.tls.cert, "cert", "bind", "TLS needs a certificate: write the path of a PEM file");
    need(l.tls.key, "key", "bind", "TLS needs a private key: write the path of a PEM file");
  }
  const char* why = "client certificates are checked against an authority: write the path of a PEM file";
  if (l.tls.require_client_cert) {
    need(l.tls.client_ca, "client_ca", "require_client_cert", why);
  } else if (l.tls.identity_as_username != CertificateName::none) {
    need(l.tls.client_ca, "client_ca", "identity_as_username", why);
  }
}

void check_store(Loaded& loaded) {
  StoreConfig& s = loaded.config.store;
  const bool redis = s.kind == StoreKind::redis;
  if (redis && loaded.config.redis.url.empty() && !has_error(loaded, "redis.url"))
    add(loaded, "store.kind", "redis.url", "", "missing; write where Redis is, such as \"redis://127.0.0.1:6379\"");
  if (redis && !loaded.origins.contains("store.write_concern")) s.write_concern = WriteConcern::primary;
  const bool of_redis = s.write_concern == WriteConcern::primary || s.write_concern == WriteConcern::replica;
  const bool of_embedded = s.write_concern == WriteConcern::interval || s.write_concern == WriteConcern::none;
  if (redis && of_embedded)
    add(loaded, "store.write_concern", "store.write_concern", "",
        "one of the embedded store; with Redis write \"primary\", \"replica\" or \"fsync\"");
  if (s.kind == StoreKind::embedded && of_redis)
    add(loaded, "store.write_concern", "store.write_concern", "",
        "one of Redis; with the embedded store write \"fsync\", \"interval\" or \"none\"");
}

void check_admin(Loaded& loaded, const std::map<std::string, std::string>& taken) {
  const AdminConfig& a = loaded.config.admin;
  if (!a.bind.enabled() || has_error(loaded, "admin.bind")) return;
  if (auto other = taken.find(a.bind.text()); other != taken.end())
    add(loaded, "admin.bind", "admin.bind", quote(a.bind.text()),
        fmt::format("the same as {}; give each listener its own address", other->second));
  if (!a.bind.is_local() && a.token_file.empty())
    add(loaded, "admin.bind", "admin.bind", quote(a.bind.text()),
        "not a loopback address, so that others could run this broker; set admin.token_file, or bind to 127.0.0.1");
}

std::string system_problem() {
  return fmt::format("cannot be read: {}; give the path of a readable file", std::strerror(errno));
}

void check_file(Loaded& loaded, const std::string& key, const std::string& path) {
  if (path.empty()) return;
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return add(loaded, key, key, quote(path), system_problem());
  char byte;
  if (read(fd, &byte, 1) < 0 && errno != EAGAIN) add(loaded, key, key, quote(path), system_problem());
  close(fd);
}

}  // namespace

void check_relations(Loaded& loaded) {
  const Config& c = loaded.config;
  std::map<std::string, std::string> taken;  // address -> key
  for (std::size_t i = 0; i < c.listeners.size(); ++i) {
    const ListenerConfig& l = c.listeners[i];
    std::string name = listener_name(c, i);
    if (l.extra) check_extra(loaded, name);
    if (is_tls(l.kind)) check_tls(loaded, name, l);
    bool fixed = l.bind.enabled() && (l.bind.kind != Address::Kind::tcp || l.bind.port != 0);
    if (!fixed) continue;
    std::string bind = fmt::format("{}.bind", name);
    auto [first, added] = taken.emplace(l.bind.text(), bind);
    if (added) continue;
    add(loaded, bind, bind, quote(l.bind.text()),
        fmt::format("the same as {}; give each listener its own address", first->second));
  }
  check_store(loaded);
  check_admin(loaded, taken);
  if (!c.auth.http.acl_url.empty() && !c.auth.acl_file.empty())
    add(loaded, "auth.acl_file", "auth.acl_file", quote(c.auth.acl_file),
        "means nothing beside auth.http.acl_url; leave out one of them");
}

void check_files(Loaded& loaded) {
  const Config c = loaded.config;
  for (std::size_t i = 0; i < c.listeners.size(); ++i) {
    const ListenerConfig& l = c.listeners[i];
    if (!is_tls(l.kind) || !l.bind.enabled()) continue;
    std::string name = listener_name(c, i);
    check_file(loaded, name + ".cert", l.tls.cert);
    check_file(loaded, name + ".key", l.tls.key);
    check_file(loaded, name + ".client_ca", l.tls.client_ca);
    for (const auto& sni : l.tls.sni) {
      check_file(loaded, name + ".sni", sni.cert);
      check_file(loaded, name + ".sni", sni.key);
    }
  }
  if (c.admin.bind.enabled()) check_file(loaded, "admin.token_file", c.admin.token_file);
  check_file(loaded, "auth.scram_file", c.auth.scram_file);
  check_file(loaded, "auth.password_file", c.auth.password_file);
  check_file(loaded, "auth.acl_file", c.auth.acl_file);
  check_file(loaded, "auth.redis.ca_file", c.auth.redis.ca_file);
  check_file(loaded, "redis.ca_file", c.redis.ca_file);
  check_file(loaded, "auth.certificate_map", c.auth.certificate_map);
  check_file(loaded, "auth.http.ca_file", c.auth.http.ca_file);
  check_file(loaded, "auth.http.token_file", c.auth.http.token_file);
  check_file(loaded, "auth.jwt.secret_file", c.auth.jwt.secret_file);
  check_file(loaded, "auth.jwt.rs256_file", c.auth.jwt.rs256_file);
  check_file(loaded, "auth.jwt.es256_file", c.auth.jwt.es256_file);
  check_file(loaded, "auth.jwt.jwks_file", c.auth.jwt.jwks_file);
}

}  // namespace sb::config
