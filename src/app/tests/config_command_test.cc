// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "app/commands.h"
#include "config/print.h"

namespace sb::app {
namespace {

using ::testing::HasSubstr;

struct Ran {
  int code;
  std::string out, err;
};

Ran run_config(std::vector<std::string> arguments) {
  CLI::App app;
  Exit exit;
  add_config_command(app, exit);
  std::reverse(arguments.begin(), arguments.end());  // CLI11 takes a vector from its end
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  app.parse(arguments);
  return {exit.code, ::testing::internal::GetCapturedStdout(), ::testing::internal::GetCapturedStderr()};
}

TEST(ConfigCommand, PrintsTheSampleAndTheReference) {
  EXPECT_EQ(run_config({"config", "print", "--sample"}).out, config::print_sample());
  EXPECT_EQ(run_config({"config", "print", "--markdown"}).out, config::print_markdown());
}

TEST(ConfigCommand, PrintsWhatIsInEffect) {
  Ran r = run_config({"config", "print", "--set", "limits.max_qos=1", "--set", "log.level=debug", "--json"});
  EXPECT_EQ(r.code, kOk);
  EXPECT_THAT(r.out, HasSubstr(R"("limits.max_qos": {"value": 1, "source": "--set"})"));
  EXPECT_THAT(r.out, HasSubstr(R"("log.level": {"value": "debug", "source": "--set"})"));
}

TEST(ConfigCommand, ErrorsAreToldOnStandardErrorWithCodeTwo) {
  Ran r = run_config({"config", "print", "--set", "limits.max_qos=7", "--set", "log.level=x"});
  EXPECT_EQ(r.code, kUsage);
  EXPECT_EQ(r.out, "");
  EXPECT_THAT(r.err, HasSubstr("--set: limits.max_qos = \"7\": out of bounds; "));
  EXPECT_THAT(r.err, HasSubstr("\nsignalbox: 2 errors in the configuration\n"));
}

TEST(ConfigCommand, ChecksAFile) {
  char pattern[] = "/tmp/sb_config_command_XXXXXX";
  std::filesystem::path dir = mkdtemp(pattern);
  std::string good = dir / "good.toml", bad = dir / "bad.toml";
  std::ofstream(good) << "[limits]\nmax_qos = 1\n";
  std::ofstream(bad) << "[limits]\nmax_qoss = 1\n";
  Ran r = run_config({"config", "check", good});
  EXPECT_EQ(r.code, kOk);
  EXPECT_EQ(r.out, good + ": ok\n");
  r = run_config({"config", "check", bad});
  EXPECT_EQ(r.code, kUsage);
  EXPECT_EQ(r.err, bad +
                       ":2: limits.max_qoss: no such key; did you mean limits.max_qos?\n"
                       "signalbox: 1 error in the configuration\n");
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace sb::app
