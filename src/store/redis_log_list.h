// SPDX-License-Identifier: MIT
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "redis/writer.h"

namespace sb::store {

/// One shard of the list of all logs in Redis, `{lg:NN}`: filter -> incarnation. A log is listed before it is made, and
/// is taken from the list when it has ended; so what is listed without being there is from a node that died in between,
/// and who appends to it takes it away. Owner: the store thread.
class LogList final : public redis::Target {
 public:
  /// The incarnation that is listed now, 0 = none.
  using Done = std::function<void(std::uint64_t)>;
  LogList(redis::Writer& writer, std::string key);
  ~LogList() override;

  /// Listed with `incarnation` unless it is already. `done` at the write concern.
  void begin(std::string filter, std::uint64_t incarnation, Done done);
  /// Not listed any more, unless with a higher one.
  void end(std::string filter, std::uint64_t incarnation);

 private:
  struct Changes;
  Changes& open();
  std::unique_ptr<redis::Batch> next() override;
  void encode(const redis::Batch& b, Sending how, redis::Words& out) override;
  Taken answered(redis::Batch& b, redis::Outcome& o) override;
  void confirmed(redis::Batch& b) override;
  void encode_last(redis::Words&) override {}  // what is kept may be repeated

  std::unique_ptr<Changes> waiting_;
};

}  // namespace sb::store
