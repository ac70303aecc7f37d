// SPDX-License-Identifier: MIT
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"

namespace sb::http {

/// Which names a server answers to. A page of another site can make a browser ask us, and with a name of its own that
/// points to our address (DNS rebinding) read the answer as well: its name is what gives it away.
class HostRules {
 public:
  /// `names`: host names and addresses, without ports, beside "localhost", loopback addresses and the address that a
  /// connection came to.
  explicit HostRules(std::vector<std::string> names);
  HostRules() = default;

  /// `host`: value of the header Host, with or without a port. `local`: the address that the connection came to.
  bool host(std::string_view host, const Ip& local) const;
  /// `origin`: value of the header Origin, of who wants to change something: a page of this server itself (of `host`),
  /// or of one of the names.
  bool origin(std::string_view origin, std::string_view host) const;

 private:
  std::vector<std::string> names_;
};

}  // namespace sb::http
