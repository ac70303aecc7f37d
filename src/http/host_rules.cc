// SPDX-License-Identifier: MIT
#include "http/host_rules.h"

#include <algorithm>
#include <optional>

namespace sb::http {
namespace {

/// In small letters, without brackets and the dot of the root: the form in which names are compared.
std::string plain(std::string_view name) {
  if (name.starts_with('[') && name.ends_with(']')) name = name.substr(1, name.size() - 2);
  if (name.ends_with('.')) name.remove_suffix(1);
  std::string out(name);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

/// The name of "name:port" or "[address]:port"; nothing when it is neither.
std::optional<std::string> name_of(std::string_view host) {
  const std::size_t bracket = host.starts_with('[') ? host.find(']') : 0;
  if (bracket == host.npos) return std::nullopt;
  const std::size_t colon = std::min(host.find(':', bracket), host.size());
  std::string_view port = host.substr(colon);
  if (port.size() > 6 || port.find_first_not_of("0123456789", 1) != port.npos) return std::nullopt;
  std::string name = plain(host.substr(0, colon));
  if (name.empty() || name.find_first_of("[]/@ ") != name.npos) return std::nullopt;
  return name;
}

bool is_loopback(const Ip& ip) {
  static const Subnet v4 = *Subnet::parse("127.0.0.0/8"), v6 = *Subnet::parse("::1");
  return v4.contains(ip) || v6.contains(ip);
}

}  // namespace

HostRules::HostRules(std::vector<std::string> names) : names_(std::move(names)) {
  for (auto& n : names_) n = plain(n);
}

bool HostRules::host(std::string_view host, const Ip& local) const {
  const auto name = name_of(host);
  if (!name) return false;
  if (*name == "localhost" || std::find(names_.begin(), names_.end(), *name) != names_.end()) return true;
  const auto ip = Ip::parse(*name);
  return ip && (is_loopback(*ip) || *ip == local);
}

bool HostRules::origin(std::string_view origin, std::string_view host) const {
  for (std::string_view scheme : {"http://", "https://"}) {
    if (!origin.starts_with(scheme)) continue;
    const std::string_view from = origin.substr(scheme.size());
    if (plain(from) == plain(host)) return true;
    const auto name = name_of(from);
    return name && std::find(names_.begin(), names_.end(), *name) != names_.end();
  }
  return false;  // "null": of a page without a name
}

}  // namespace sb::http
