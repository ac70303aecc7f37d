// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <string_view>

#include "redis/reply.h"

struct redisReader;

namespace sb::redis {

/// Bytes in, replies out: hiredis's reader. What is received goes straight into its buffer, with prepare() and
/// commit(), so that the copy into the Reply is the only one.
class ReplyReader {
 public:
  ReplyReader();
  ~ReplyReader();
  ReplyReader(const ReplyReader&) = delete;
  ReplyReader& operator=(const ReplyReader&) = delete;

  /// Room for `size` bytes; commit() says how many came.
  char* prepare(std::size_t size);
  void commit(std::size_t size);

  /// The next reply that is whole, or null; it may be moved from, and is valid until the next call.
  Reply* next();
  /// What is wrong with the bytes; "" while nothing is. Then nothing more comes.
  std::string_view failure() const;
  /// Begins anew, for another connection.
  void reset();

 private:
  redisReader* reader_;
  Reply reply_;
  bool given_ = false;  ///< reply_ was handed out, and can go
};

}  // namespace sb::redis
