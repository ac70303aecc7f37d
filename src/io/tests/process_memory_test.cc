// SPDX-License-Identifier: MIT
#include "io/process_memory.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>

namespace sb::io {
namespace {

TEST(ProcessMemory, SeesWhatIsTakenAndGivenBack) {
  constexpr std::size_t kTaken = 64 * 1024 * 1024;
  ProcessMemory memory;
  const std::size_t before = memory.resident();
  EXPECT_GT(before, 0u);
  auto bytes = std::make_unique<char[]>(kTaken);
  std::memset(bytes.get(), 1, kTaken);
  EXPECT_GT(memory.resident(), before + kTaken / 2);
#ifndef SIGNALBOX_SANITIZED  // the sanitizers keep what is freed
  bytes.reset();
  ProcessMemory::trim();
  EXPECT_LT(memory.resident(), before + kTaken / 2);
#endif
}

TEST(ProcessMemory, KnowsWhatThereIs) {
  EXPECT_GT(ProcessMemory::available(), ProcessMemory().resident());
  EXPECT_LT(ProcessMemory::available(), std::size_t{1} << 50);
}

}  // namespace
}  // namespace sb::io
