// SPDX-License-Identifier: MIT
#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "redis/replication.h"
#include "redis/writer.h"

namespace sb::store {

/// Settings of a server, by name: what CONFIG GET answers.
using RedisSettings = std::map<std::string, std::string, std::less<>>;
RedisSettings settings_of(const redis::Reply::View& answer);

/// Every write is on the disk before it is answered.
bool syncs_always(const RedisSettings& s);

/// What an acknowledgement means with these options, in words.
std::string acknowledgement_means(const redis::WriterOptions& o);

/// What makes it worth less with this server, each with the remedy. `settings` null: CONFIG GET is refused.
std::vector<std::string> weaknesses(const redis::WriterOptions& o, const RedisSettings* settings,
                                    const redis::Replication& server);

/// Whether acknowledgements are worth what they should be (PROTOCOLS 14): asks each primary how it is set, when it is
/// first seen and then every ten seconds, and looks at who replicates it. What begins to make them worth less is
/// logged. Owner: the store thread.
class RedisGuarantee final : io::Timer {
 public:
  RedisGuarantee(redis::Writer& writer, const redis::ReplicationWatch& watch) : writer_(writer), watch_(watch) {}
  ~RedisGuarantee();
  void start() { on_timer(); }
  std::string means() const { return acknowledgement_means(writer_.options()); }
  /// At present, of all primaries.
  const std::vector<std::string>& weak() const { return weak_; }

 private:
  static constexpr Millis kLook{1000}, kAsk{10'000};
  struct Server {
    MonoTime asked = MonoTime::min();
    bool known = false;
    std::unique_ptr<RedisSettings> settings;
  };
  void on_timer() override;
  void ask(std::uint16_t slot, const std::string& address, Server& s);

  redis::Writer& writer_;
  const redis::ReplicationWatch& watch_;
  std::map<std::string, Server> servers_;  ///< by address
  std::vector<std::string> weak_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sb::store
