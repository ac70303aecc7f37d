// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>

#include "app/commands.h"
#include "auth/scram_users.h"
#include "auth/user_file.h"

namespace sb::app {
namespace {

using ::testing::HasSubstr;
using ::testing::internal::CaptureStderr;
using ::testing::internal::CaptureStdout;
using ::testing::internal::GetCapturedStderr;
using ::testing::internal::GetCapturedStdout;

class Passwd : public ::testing::Test {
 protected:
  Passwd() : file_(::testing::TempDir() + "passwd-test-" + std::to_string(::getpid())) {
    std::filesystem::remove(file_);
  }
  ~Passwd() override { std::filesystem::remove(file_); }

  /// The exit code of `passwd FILE arguments...`; 109 and such are CLI11's.
  int run(std::vector<std::string> arguments) {
    CLI::App app;
    Exit exit;
    add_passwd_command(app, exit);
    arguments.insert(arguments.begin(), {"passwd", file_});
    std::reverse(arguments.begin(), arguments.end());
    CaptureStdout();
    CaptureStderr();
    try {
      app.parse(arguments);
    } catch (const CLI::ParseError& e) {
      exit.code = e.get_exit_code();
    }
    out_ = GetCapturedStdout();
    err_ = GetCapturedStderr();
    return exit.code;
  }
  std::string text() {
    std::string why;
    return *auth::read_user_file(file_, why);
  }

  std::string file_, out_, err_;
};

TEST_F(Passwd, AddsChangesVerifiesDeletes) {
  EXPECT_EQ(run({"alice", "--password", "one", "--iterations", "4096"}), kOk);
  EXPECT_EQ(out_, "added alice\n");
  EXPECT_THAT(text(), HasSubstr("alice:SCRAM-SHA-256$4096:"));
  EXPECT_EQ(run({"bob", "--password", "two"}), kOk);
  EXPECT_EQ(run({"alice", "--verify", "--password", "one"}), kOk);
  EXPECT_EQ(run({"alice", "--verify", "--password", "two"}), kFailure);
  EXPECT_EQ(out_, "the password is wrong\n");
  const std::string before = text();
  EXPECT_EQ(run({"alice", "--password", "three"}), kOk);
  EXPECT_EQ(out_, "changed alice\n");
  EXPECT_NE(text(), before);
  EXPECT_EQ(run({"alice", "--verify", "--password", "three"}), kOk);
  EXPECT_EQ(run({"bob", "--verify", "--password", "two"}), kOk);
  EXPECT_EQ(run({"alice", "--delete"}), kOk);
  EXPECT_EQ(run({"alice", "--delete"}), kFailure);
  EXPECT_THAT(err_, HasSubstr("there is no user alice"));
  EXPECT_EQ(run({"alice", "--verify", "--password", "x"}), kFailure);
  EXPECT_EQ(run({"bob", "--verify", "--password", "two"}), kOk);
}

TEST_F(Passwd, RefusesWhatTheBrokerWouldNotTake) {
  EXPECT_EQ(run({"", "--password", "x"}), kUsage);
  EXPECT_EQ(run({"#x", "--password", "x"}), kUsage);
  EXPECT_EQ(run({"x\n", "--password", "x"}), kUsage);
  EXPECT_EQ(run({"x", "--password", ""}), kUsage);
  EXPECT_EQ(run({"x", "--password", "\xFF"}), kUsage);
  EXPECT_NE(run({"x", "--password", "x", "--iterations", "4095"}), kOk);
  EXPECT_NE(run({"x", "--password", "x", "--password-stdin"}), kOk);
  EXPECT_NE(run({"x", "--delete", "--verify"}), kOk);
  EXPECT_FALSE(std::filesystem::exists(file_));
  std::string why;
  auth::write_user_file(file_, "damaged\n", why);
  EXPECT_EQ(run({"x", "--password", "x"}), kFailure);
  EXPECT_THAT(err_, HasSubstr("line 1: expected"));
  EXPECT_EQ(text(), "damaged\n");
}

}  // namespace
}  // namespace sb::app
