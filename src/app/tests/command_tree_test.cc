// SPDX-License-Identifier: MIT
#include "app/command_tree.h"

#include <gtest/gtest.h>

#include <CLI/CLI.hpp>

#include "app/completion.h"
#include "app/man.h"

namespace sb::app {
namespace {

// A program with one of everything.
class Program : public ::testing::Test {
 protected:
  void SetUp() override {
    app_.name("prog");
    auto* keep = app_.add_subcommand("keep", "Keep things");
    auto* one = keep->add_subcommand("one", "Keep one thing, it's easy");
    one->add_option("-c,--config", text_, "A file")->type_name("FILE");
    one->add_option("-s,--set", list_, "A key")->type_name("KEY=VALUE")->allow_extra_args(false);
    one->add_option("-q,--qos", number_, "A choice")->type_name("QOS")->check(CLI::IsMember({0, 1, 2}));
    one->add_flag("--quiet", flag_, "No output");
    one->add_option("--secret", text_, "Not for everyone")->group("");
    one->add_option("what", text_, "The thing")->required();
    one->footer("Some words.\n\nExamples:\n  prog keep one x\n  .prog -s 'a=b'");
    app_.add_subcommand("hidden", "Not for everyone")->group("");
    app_.footer("Examples:\n  prog keep one x");
  }
  CLI::App app_{"A program."};
  std::string text_;
  std::vector<std::string> list_;
  int number_ = 0;
  bool flag_ = false;
};

TEST_F(Program, IsDescribed) {
  CommandInfo root = describe(app_);
  ASSERT_EQ(root.commands.size(), 1u);
  ASSERT_EQ(root.commands[0].commands.size(), 1u);
  const CommandInfo& one = root.commands[0].commands[0];
  EXPECT_EQ(one.path, "prog keep one");
  ASSERT_EQ(one.options.size(), 6u);  // with --help
  EXPECT_EQ(one.options[1].shorts, std::vector<std::string>{"c"});
  EXPECT_EQ(one.options[1].longs, std::vector<std::string>{"config"});
  EXPECT_TRUE(one.options[1].takes_file());
  EXPECT_TRUE(one.options[2].takes_key());
  EXPECT_TRUE(one.options[2].repeats);
  EXPECT_EQ(one.options[3].value, "QOS");
  EXPECT_EQ(one.options[3].choices, (std::vector<std::string>{"0", "1", "2"}));
  EXPECT_EQ(one.options[4].value, "");
  EXPECT_EQ(one.options[5].positional, "what");
  EXPECT_TRUE(one.options[5].required);
  EXPECT_EQ(flatten(root).size(), 3u);
}

void expect_has(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << part << "\nis not in\n" << text;
}

TEST_F(Program, Bash) {
  std::string script = bash_completion(describe(app_), {"a.b", "a.c"});
  expect_has(script, "'prog keep'|'prog keep one') at=");
  expect_has(script, "'prog keep one -q'|'prog keep one --qos')\n      COMPREPLY=($(compgen -W '0 1 2' -- \"$cur\"))");
  expect_has(script, "local keys='a.b= a.c='");
  expect_has(script, "'prog keep') words='one -h --help'; files=0 ;;");
  EXPECT_EQ(script.find("hidden"), std::string::npos);
  EXPECT_EQ(script.find("secret"), std::string::npos);
}

TEST_F(Program, Zsh) {
  std::string script = zsh_completion(describe(app_), {"a.b"});
  EXPECT_TRUE(script.starts_with("#compdef prog\n"));
  expect_has(script, R"('one:Keep one thing, it'\''s easy')");
  expect_has(script, "'prog keep one -c'|'prog keep one --config') _files; return ;;");
}

TEST_F(Program, Fish) {
  std::string script = fish_completion(describe(app_), {"a.b"});
  expect_has(script, R"(-a one -d 'Keep one thing, it\'s easy')");
  expect_has(script, "-s c -l config -r -F -d 'A file'");
  expect_has(script, "-s q -l qos -x -a '0 1 2' -d 'A choice'");
}

TEST_F(Program, ManPage) {
  std::string page = man_page(describe(app_), "1.2");
  EXPECT_TRUE(page.starts_with(".TH PROG 1 \"\" \"prog 1.2\" \"User Commands\"\n"));
  expect_has(page, ".SS prog keep one\nKeep one thing, it\\(aqs easy.\n");
  expect_has(page, "\\fB\\-q\\fR, \\fB\\-\\-qos\\fR \\fIQOS\\fR\nA choice (0, 1, 2)\n");
  expect_has(page, ".PP\n.RS 4\n.nf\nprog keep one x\n\\&.prog \\-s \\(aqa=b\\(aq\n.fi\n.RE\n");
  expect_has(page, ".SH EXAMPLES\n.RS 4\n.nf\nprog keep one x\n.fi\n.RE\n");
}

}  // namespace
}  // namespace sb::app
