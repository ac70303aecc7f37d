// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/time.h"
#include "io/tls.h"
#include "redis/pipeline.h"
#include "redis/script.h"
#include "redis/url.h"

namespace sb::redis {

/// How connections are made and kept. Shared by many, and immutable then.
struct Options {
  std::string username, password;  ///< "" = none; a password alone is that of the user `default`
  bool password_optional = false;  ///< a server that knows no passwords is taken, too (Sentinels)
  std::uint32_t db = 0;
  std::string client_name = "signalbox";               ///< for CLIENT LIST; without spaces
  std::shared_ptr<const io::TlsContext> tls;           ///< null: none
  std::vector<std::shared_ptr<const Script>> scripts;  ///< loaded on each connect
  bool primary_only = false;                           ///< a server that is no primary is left again

  Millis connect_timeout{5000};           ///< from the beginning of an attempt until commands are taken
  Millis command_timeout{5000};           ///< of commands that bring none of their own
  Millis probe_after{5000};               ///< without a reply, a connection is asked whether it still hears
  Millis pause_min{50}, pause_max{2000};  ///< before the next attempt, doubled each time, with jitter
  Pipeline::Bounds bounds;

  /// What the URL says of them; `tls` is made by the caller when `url.tls`.
  static Options of(const Url& url) {
    Options o;
    o.username = url.username;
    o.password = url.password;
    o.db = url.db;
    return o;
  }
};

}  // namespace sb::redis
