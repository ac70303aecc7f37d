// SPDX-License-Identifier: MIT
#include "redis/reply_reader.h"

#include <hiredis/read.h>
extern "C" {
#include <hiredis/sds.h>
}

#include <new>

namespace sb::redis {
namespace {

constexpr std::size_t kKeptBuffer = 1 << 20;  // bytes of an empty buffer that stay for the next replies

// hiredis builds a tree of its user's objects; ours are entries of one Reply, and this stands for each of them.
void* const kObject = reinterpret_cast<void*>(1);

Reply& target(const redisReadTask* task) { return *static_cast<Reply*>(task->privdata); }

void* add_text(const redisReadTask* task, char* text, std::size_t size) {
  const Reply::Type type = task->type == REDIS_REPLY_ERROR    ? Reply::Type::error
                           : task->type == REDIS_REPLY_STATUS ? Reply::Type::status
                                                              : Reply::Type::text;
  target(task).add_text(type, {text, size});
  return kObject;
}
void* add_integer(const redisReadTask* task, long long n) { return target(task).add_integer(n), kObject; }
void* add_nil(const redisReadTask* task) { return target(task).add_nil(), kObject; }

redisReplyObjectFunctions* functions() {
  static redisReplyObjectFunctions f = [] {
    redisReplyObjectFunctions out{};
    out.createString = add_text;
    out.createArray = [](const redisReadTask* task, auto size) -> void* {
      return target(task).add_array(static_cast<std::size_t>(size)), kObject;
    };
    out.createInteger = add_integer;
    out.createNil = add_nil;
    out.freeObject = [](void*) {};
    return out;
  }();
  return &f;
}

redisReader* make_reader(Reply& reply) {
  redisReader* reader = redisReaderCreateWithFunctions(functions());
  if (!reader) throw std::bad_alloc();
  reader->privdata = &reply;
  return reader;
}

}  // namespace

ReplyReader::ReplyReader() : reader_(make_reader(reply_)) {}
ReplyReader::~ReplyReader() { redisReaderFree(reader_); }

void ReplyReader::reset() {
  redisReaderFree(reader_);
  reader_ = make_reader(reply_);
  reply_.clear();
  given_ = false;
}

// The following two are redisReaderFeed() without its copy.
char* ReplyReader::prepare(std::size_t size) {
  if (reader_->len == 0 && sdsavail(reader_->buf) > kKeptBuffer) {
    sdsfree(reader_->buf);
    reader_->buf = sdsempty();
    reader_->pos = 0;
  }
  if (sds grown = sdsMakeRoomFor(reader_->buf, size))
    reader_->buf = grown;
  else
    throw std::bad_alloc();
  return reader_->buf + sdslen(reader_->buf);
}

void ReplyReader::commit(std::size_t size) {
  sdsIncrLen(reader_->buf, static_cast<int>(size));
  reader_->len = sdslen(reader_->buf);
}

Reply* ReplyReader::next() {
  if (given_) reply_.clear();
  given_ = false;
  void* object = nullptr;
  if (redisReaderGetReply(reader_, &object) != REDIS_OK || !object) return nullptr;
  reply_.finish();
  given_ = true;
  return &reply_;
}

std::string_view ReplyReader::failure() const { return reader_->err ? reader_->errstr : ""; }

}  // namespace sb::redis
