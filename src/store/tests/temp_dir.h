// SPDX-License-Identifier: MIT
#pragma once
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>

namespace sb::store::test {

/// A directory that goes with the object; in memory where there is such a place, since many tests sync often.
class TempDir {
 public:
  TempDir() {
    std::string base = std::filesystem::is_directory("/dev/shm") ? "/dev/shm/" : testing::TempDir();
    path_ = base + "signalbox-store-XXXXXX";
    if (!::mkdtemp(path_.data())) ADD_FAILURE() << "no directory " << path_;
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  /// The directory of a store in it; not made yet.
  std::string store() const { return path_ + "/store"; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace sb::store::test
