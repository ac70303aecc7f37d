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
using ::testing::Not;
using ::testing::StartsWith;
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
  EXPECT_THAT(text(), StartsWith("alice:$scrypt$ln=15,r=8,p=1$"));
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
  EXPECT_THAT(text(), Not(HasSubstr("alice")));
  EXPECT_EQ(run({"alice", "--delete"}), kFailure);
  EXPECT_THAT(err_, HasSubstr("there is no user alice"));
  EXPECT_EQ(run({"alice", "--verify", "--password", "x"}), kFailure);
  EXPECT_EQ(run({"bob", "--verify", "--password", "two"}), kOk);
}

TEST_F(Passwd, WritesTheKindsAskedFor) {
  EXPECT_EQ(run({"alice", "--password", "one", "--kind", "scram"}), kOk);
  EXPECT_THAT(text(), StartsWith("alice:SCRAM-SHA-256$10000:"));
  EXPECT_EQ(run({"alice", "--password", "two", "--kind", "scrypt"}), kOk);
  EXPECT_THAT(text(), StartsWith("alice:$scrypt$"));
  EXPECT_THAT(text(), Not(HasSubstr("SCRAM"))) << "no line with the old password is left";
  EXPECT_EQ(run({"alice", "--verify", "--password", "two"}), kOk);
  EXPECT_NE(run({"alice", "--password", "x", "--kind", "md5"}), kOk);
  EXPECT_NE(run({"alice", "--verify", "--kind", "scram"}), kOk);

  const std::string scrypt_of_two = text();
  EXPECT_EQ(run({"alice", "--password", "one", "--kind", "scram"}), kOk);
  std::string why;
  auth::write_user_file(file_, text() + scrypt_of_two, why);
  EXPECT_EQ(run({"alice", "--verify", "--password", "one"}), kFailure);
  EXPECT_THAT(err_, HasSubstr("different passwords, and this one is right for SCRAM only"));
  EXPECT_EQ(run({"alice", "--verify", "--password", "two"}), kFailure);
  EXPECT_THAT(err_, HasSubstr("this one is right for plain logins only"));
  EXPECT_EQ(run({"alice", "--verify", "--password", "three"}), kFailure);
  EXPECT_EQ(out_, "the password is wrong\n");
}

TEST_F(Passwd, ImportsAllOrNothing) {
  const std::string theirs = file_ + "-mosquitto";
  const std::string hash =  // of "secret"
      "$6$9HrWNJQOgbMLG9kt$k8mwlrF5XZECGMgJVYPQTjy+XFpkMLtuVk69Xd1BIp6BZMoDmRjGVQ0+w67j2MEz1Kkptz345UtkkJmfjxuEnA==";
  std::string why;
  EXPECT_EQ(run({"bob", "--password", "mine"}), kOk);
  const std::string before = text();
  const struct {
    std::string text, what;
  } wrong[] = {
      {"alice:" + hash + "\nbob:" + hash + "\n", ": line 2: user bob is in " + file_ + " already; leave the line out"},
      {"alice:" + hash + "\nbroken\n", ": line 2: expected user:$7$"},
      {"# nobody\n", ": there are no users in it"},
  };
  for (const auto& row : wrong) {
    auth::write_user_file(theirs, row.text, why);
    EXPECT_EQ(run({"--import", theirs}), kFailure);
    EXPECT_THAT(err_, HasSubstr(theirs + row.what));
    EXPECT_EQ(text(), before);
  }
  auth::write_user_file(theirs, "alice:" + hash + "\nbob:" + hash + "\ncarol:plain\n", why);
  EXPECT_EQ(run({"--import", theirs, "--replace", "--kind", "scram"}), kOk);
  EXPECT_EQ(out_, "imported 3 users: 2 with a hash of Mosquitto, 1 hashed now; 1 replaced\n");
  EXPECT_THAT(text(), StartsWith("alice:" + hash + "\nbob:" + hash + "\ncarol:SCRAM-SHA-256$"));
  EXPECT_EQ(run({"bob", "--verify", "--password", "secret"}), kOk);
  EXPECT_EQ(run({"bob", "--verify", "--password", "mine"}), kFailure);
  EXPECT_EQ(run({"carol", "--verify", "--password", "plain"}), kOk);
  std::filesystem::remove(theirs);
  EXPECT_EQ(run({"--import", theirs}), kFailure);
  EXPECT_THAT(err_, HasSubstr(theirs + ": No such file or directory"));
  EXPECT_NE(run({"dave", "--import", theirs}), kOk);
  EXPECT_NE(run({"dave", "--password", "x", "--replace"}), kOk);
  EXPECT_EQ(run({}), kUsage);
  EXPECT_THAT(err_, HasSubstr("Give a USER after the FILE, or --import"));
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
