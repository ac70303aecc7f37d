// SPDX-License-Identifier: MIT
#pragma once
#include <memory>
#include <string>
#include <utility>

#include "store/memory_retained.h"

namespace sb::store {

/// Keeps what this process says of itself ($SYS/#) in memory, and everything else in another store: `$SYS` is of no use
/// to the next process, and has to be readable when the other store is not. Owner: as MemoryRetained.
class SysRetained final : public ports::RetainedStore {
 public:
  explicit SysRetained(std::unique_ptr<ports::RetainedStore> rest) : rest_(std::move(rest)) {}

  void set(model::MessagePtr m, Done<void> done) override {
    const bool sys = m->view().topic.starts_with(kPrefix);
    sys ? sys_.set(std::move(m), std::move(done)) : rest_->set(std::move(m), std::move(done));
  }
  void match(std::string_view filter, std::string resume, std::size_t max, WallTime now, Done<Page> done) override {
    // No wildcard in the first level matches a topic that begins with $. [MQTT-4.7.2-1]
    ports::RetainedStore& of = filter.starts_with(kPrefix) ? static_cast<ports::RetainedStore&>(sys_) : *rest_;
    of.match(filter, std::move(resume), max, now, std::move(done));
  }
  std::size_t count() const override { return sys_.count() + rest_->count(); }

 private:
  static constexpr std::string_view kPrefix = "$SYS/";
  std::unique_ptr<ports::RetainedStore> rest_;
  MemoryRetained sys_{SIZE_MAX, SIZE_MAX};
};

}  // namespace sb::store
