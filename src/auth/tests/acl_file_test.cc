// SPDX-License-Identifier: MIT
#include "auth/acl_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "model/topic.h"

namespace sb::auth {
namespace {

using ports::Subject;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::shared_ptr<const AclFile> acl(std::string_view text) {
  std::string why;
  auto file = AclFile::parse(text, why);
  EXPECT_TRUE(file.has_value()) << why << '\n' << text;
  return file ? *file : nullptr;
}

/// What who may do with a topic: "r", "w", "rw" or "".
std::string may(const AclFile& file, const Subject& who, std::string_view topic) {
  const ports::RightsPtr rights = file.rights(who);
  return std::string(rights->may_receive(who, topic) ? "r" : "") + (rights->may_publish(who, topic, false) ? "w" : "");
}

constexpr Subject kNobody{"c1", ""}, kAnn{"c1", "ann"}, kBob{"c2", "bob"};

TEST(AclFile, SaysWhoMayDoWhat) {
  const struct {
    const char* text;
    Subject who;
    const char *topic, *rights;
  } rows[] = {
      // nothing is said
      {"", kNobody, "a", ""},
      {"", kAnn, "a", ""},
      {"# only\n\n   \n# comments", kAnn, "a", ""},
      {"user ann\n", kAnn, "a", ""},
      // access words
      {"topic a", kNobody, "a", "rw"},
      {"topic readwrite a", kNobody, "a", "rw"},
      {"topic read a", kNobody, "a", "r"},
      {"topic write a", kNobody, "a", "w"},
      {"topic subscribe a", kNobody, "a", ""},
      {"topic deny a", kNobody, "a", ""},
      {"topic read a\ntopic write a", kNobody, "a", "rw"},
      // whose lines
      {"topic a", kAnn, "a", ""},
      {"topic a\nuser ann\ntopic b", kNobody, "b", ""},
      {"topic a\nuser ann\ntopic b", kAnn, "b", "rw"},
      {"topic a\nuser ann\ntopic b", kAnn, "a", ""},
      {"topic a\nuser ann\ntopic b", kBob, "b", ""},
      {"user ann\ntopic a\nuser bob\ntopic b\nuser ann\ntopic read c", kAnn, "c", "r"},
      {"user ann\ntopic a\nuser bob\ntopic b\nuser ann\ntopic read c", kAnn, "a", "rw"},
      {"user ann\ntopic a\nuser bob\ntopic b\nuser ann\ntopic read c", kBob, "c", ""},
      {"user Ann\ntopic a", kAnn, "a", ""},
      {"user ann of the east\ntopic a", {"c", "ann of the east"}, "a", "rw"},
      // wildcards
      {"topic a/+/c", kNobody, "a//c", "rw"},
      {"topic a/+/c", kNobody, "a/b/d", ""},
      {"topic a/#", kNobody, "a", "rw"},
      {"topic a/#", kNobody, "a/b/c", "rw"},
      {"topic a/#", kNobody, "ab", ""},
      {"topic #", kNobody, "/", "rw"},
      {"topic +/b", kNobody, "$x/b", ""},
      {"topic $x/+", kNobody, "$x/b", "rw"},
      {"topic #", kNobody, "$SYS/a", ""},
      {"topic $SYS/#", kNobody, "$SYS/a", "r"},
      {"topic write $SYS", kNobody, "$SYS", ""},
      {"topic $SYSTEM", kNobody, "$SYSTEM", "rw"},
      // deny, in any order
      {"topic a/#\ntopic deny a/b", kNobody, "a/b", ""},
      {"topic deny a/b\ntopic a/#", kNobody, "a/b", ""},
      {"topic deny a/b\ntopic a/#", kNobody, "a/c", "rw"},
      {"topic deny a/#\ntopic a/b", kNobody, "a/b", ""},
      {"pattern deny a/b\npattern a/#", kAnn, "a/b", ""},
      {"pattern a/#\npattern deny a/b", kAnn, "a/b", ""},
      // a user's lines come before the patterns
      {"pattern deny a/#\nuser ann\ntopic read a/b", kAnn, "a/b", "r"},
      {"pattern deny a/#\nuser ann\ntopic read a/b", kAnn, "a/c", ""},
      {"user ann\ntopic deny a/b\npattern a/#", kAnn, "a/b", ""},
      {"user ann\ntopic deny a/b\npattern a/#", kBob, "a/b", "rw"},
      {"user ann\ntopic read a\npattern write a", kAnn, "a", "rw"},
      // patterns
      {"user ann\npattern a", kBob, "a", "rw"},
      {"pattern a", kNobody, "a", "rw"},
      {"pattern read d/%c/#", kAnn, "d/c1/x", "r"},
      {"pattern read d/%c/#", kAnn, "d/c1", "r"},
      {"pattern read d/%c/#", kAnn, "d/c2/x", ""},
      {"pattern read d/%c/#", kAnn, "d/%c/x", ""},
      {"pattern d/%u", kAnn, "d/ann", "rw"},
      {"pattern d/%u", kAnn, "d/c1", ""},
      {"pattern d/%u", kNobody, "d/", ""},
      {"pattern d/%u", kNobody, "d/%u", ""},
      {"pattern deny d/%u\npattern d/+", kNobody, "d/", "rw"},
      {"pattern %u/%c/+", kBob, "bob/c2/x", "rw"},
      {"pattern %u/%c/+", kBob, "c2/bob/x", ""},
      {"pattern deny d/%c\npattern d/+", kAnn, "d/c1", ""},
      {"pattern deny d/%c\npattern d/+", kAnn, "d/c2", "rw"},
      {"topic d/%c", kNobody, "d/%c", "rw"},
      {"topic d/%c", kNobody, "d/c1", ""},
      // the form
      {"topic read a b  c", kNobody, "a b  c", "r"},
      {"topic read  a b", kNobody, "a b", "r"},
      {"  topic   read   a  ", kNobody, "a", "r"},
      {"topic a\r\nuser ann\r\ntopic read b\r\n", kAnn, "b", "r"},
      {"topic a\r\nuser ann\r\ntopic read b\r\n", kNobody, "a", "rw"},
      {"topic a\t\n", kNobody, "a", "rw"},
      {"topic read #", kNobody, "a", "r"},
      {"topic user", kNobody, "user", "rw"},
      {"topic read read", kNobody, "read", "r"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(std::string(row.text) + "\n" + std::string(row.who.username) + " " + row.topic);
    EXPECT_EQ(may(*acl(row.text), row.who, row.topic), row.rights);
  }
}

TEST(AclFile, ANameDoesNotWidenARight) {
  const char* patterns = "pattern d/%c\npattern e/%u\npattern %c/x\npattern f\n";
  const char* denied = "pattern deny d/%u\npattern read #\npattern read $x\nuser a/b\ntopic own\n";
  const struct {
    const char* text;
    Subject who;
    const char *topic, *rights;
  } rows[] = {
      {patterns, {"+", "ann"}, "d/other", ""},   {patterns, {"+", "ann"}, "d/+", ""},
      {patterns, {"#", "ann"}, "d/x", ""},       {patterns, {"a/b", "ann"}, "d/a/b", ""},
      {patterns, {"a/b", "ann"}, "e/ann", "rw"}, {patterns, {"a/b", "ann"}, "f", "rw"},
      {patterns, {"a", "+"}, "e/x", ""},         {patterns, {"a", "+"}, "d/a", "rw"},
      {patterns, {"", "ann"}, "d/", ""},         {patterns, {"", "ann"}, "/x", ""},
      {patterns, {"%u", "ann"}, "d/%u", "rw"},   {patterns, {"%u", "ann"}, "d/ann", ""},
      {patterns, {"a b", "ann"}, "a b/x", "rw"}, {patterns, {"$x", "ann"}, "$x/x", ""},
      {patterns, {"$x", "ann"}, "d/$x", "rw"},   {denied, {"c", "ann"}, "d/bob", "r"},
      {denied, {"c", "ann"}, "d/ann", ""},       {denied, {"c", "a/b"}, "d/a/b", ""},
      {denied, {"c", "a/b"}, "z", ""},           {denied, {"c", "a/b"}, "own", "rw"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(std::string(row.who.client_id) + " " + std::string(row.who.username) + " " + row.topic);
    auto file = acl(row.text);
    EXPECT_EQ(may(*file, row.who, row.topic), row.rights);
    // What may not be read cannot be subscribed to either, nor be given unasked.
    const ports::RightsPtr rights = file->rights(row.who);
    if (!model::has_wildcard(row.topic)) {
      const bool readable = std::string_view(row.rights).starts_with('r');
      EXPECT_EQ(rights->may_subscribe(row.who, row.topic), readable);
      EXPECT_EQ(rights->may_receive_all(row.who, row.topic), readable);
    }
  }
}

TEST(AclFile, SaysWhoMaySubscribe) {
  const struct {
    const char* text;
    Subject who;
    const char* filter;
    bool subscribe, receive_all;
  } rows[] = {
      {"", kAnn, "a", false, false},
      {"pattern read a/+", kAnn, "a/b", true, true},
      {"pattern read a/+", kAnn, "a/+", true, true},
      {"pattern read a/+", kAnn, "#", true, false},
      {"pattern read a/+", kAnn, "+/b", true, false},
      {"pattern read a/+", kAnn, "b/#", false, false},
      {"pattern read a/+", kAnn, "$SYS/#", false, false},
      {"pattern write a/+", kAnn, "a/b", false, false},
      {"pattern #", kAnn, "#", true, true},
      {"pattern #", kAnn, "$SYS/#", false, false},
      {"pattern read d/%c/#", kAnn, "d/c1/#", true, true},
      {"pattern read d/%c/#", kAnn, "d/c2/#", false, false},
      {"pattern read d/%c/#", kAnn, "d/#", true, false},
      {"pattern read %c/#", {"$SYS", ""}, "$SYS/#", false, false},
      {"pattern read d/%u", kNobody, "d/+", false, false},
      // deny
      {"pattern read #\npattern deny s/#", kAnn, "#", true, false},
      {"pattern read #\npattern deny s/#", kAnn, "a/#", true, true},
      {"pattern read #\npattern deny s/#", kAnn, "s/+", false, false},
      {"pattern read #\npattern deny s/%c", kAnn, "s/c1", false, false},
      {"pattern read #\npattern deny s/%c", kAnn, "s/c2", true, true},
      {"pattern read #\npattern deny s/%c", {"c#", ""}, "a", false, false},
      {"user ann\ntopic read s/a\npattern deny s/#", kAnn, "s/a", true, true},
      {"user ann\ntopic read s/a\npattern deny s/#", kAnn, "s/#", true, false},
      {"user ann\ntopic read s/a\npattern deny s/#", kBob, "s/a", false, false},
      {"user ann\ntopic deny s/#\npattern read #", kAnn, "s/a", false, false},
      {"user ann\ntopic deny s/#\npattern read #", kAnn, "+/a", true, false},
      // rules of their own for subscribing
      {"pattern read #\npattern subscribe a/#", kAnn, "a/b/#", true, true},
      {"pattern read #\npattern subscribe a/#", kAnn, "b", false, true},
      {"pattern read #\npattern subscribe a/#", kAnn, "#", false, true},
      {"pattern subscribe a/+", kAnn, "a/b", true, false},
      {"pattern read #\nuser ann\ntopic subscribe a", kAnn, "a", true, true},
      {"pattern read #\nuser ann\ntopic subscribe a", kAnn, "b", false, true},
      {"pattern read #\nuser ann\ntopic subscribe a", kBob, "b", true, true},
      {"pattern subscribe a\nuser ann\ntopic b", kAnn, "b", false, true},
      {"pattern subscribe a\nuser ann\ntopic b", kAnn, "a", true, false},
      {"pattern subscribe a/#\npattern deny a/b", kAnn, "a/b", false, false},
      {"pattern subscribe d/%u/#\npattern read #", kNobody, "d/#", false, true},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(std::string(row.text) + "\n" + std::string(row.who.username) + " " + row.filter);
    auto file = acl(row.text);
    const ports::RightsPtr rights = file->rights(row.who);
    EXPECT_EQ(rights->may_subscribe(row.who, row.filter), row.subscribe);
    EXPECT_EQ(rights->may_receive_all(row.who, row.filter), row.receive_all);
  }
}

TEST(AclFile, SaysWhatIsWrongWithALine) {
  const std::string deep = [] {
    std::string s = "topic a";
    for (int i = 0; i < 200; ++i) s += "/a";
    return s;
  }();
  const std::string form = "[read|write|readwrite|deny|subscribe] <filter>";
  const std::pair<std::string, std::string> rows[] = {
      {"topic", "no topic; write: topic " + form},
      {"pattern   ", "no topic; write: pattern " + form},
      {"topic read", "no topic after \"read\"; for the topic of this name write: topic readwrite read"},
      {"pattern deny ", "no topic after \"deny\"; for the topic of this name write: pattern readwrite deny"},
      {"topic a b", "\"a\" is no access word; write: topic " + form},
      {"topic READ a", "\"READ\" is no access word; write: topic " + form},
      {"topic read a/#/b",
       "\"a/#/b\" is no topic filter; + and # stand alone in their level, # is the last one, and there are at most "
       "65535 bytes"},
      {"topic a #b", "\"a\" is no access word; write: topic " + form},
      {"pattern a+",
       "\"a+\" is no topic filter; + and # stand alone in their level, # is the last one, and there are at most 65535 "
       "bytes"},
      {deep, "the filter has more than 200 levels; end it with # earlier"},
      {"pattern read d_%c/x", "%c is only a part of a level of \"d_%c/x\"; give it a level of its own"},
      {"pattern read %c/%u%c", "%c is only a part of a level of \"%c/%u%c\"; give it a level of its own"},
      {"pattern 100%up", "%u is only a part of a level of \"100%up\"; give it a level of its own"},
      {"user", "no name; write: user <name>"},
      {"user  ", "no name; write: user <name>"},
      {"user " + std::string(65536, 'u'), "the name is longer than the 65535 bytes that MQTT allows; shorten it"},
      {"topics a", "no word \"topics\"; did you mean topic?"},
      {"Topic a", "no word \"Topic\"; did you mean topic?"},
      {"username a", "no word \"username\"; did you mean user?"},
      {"patern a", "no word \"patern\"; did you mean pattern?"},
      {"allow a", "no word \"allow\"; a line begins with topic, user, pattern or #"},
      {" # a", "a comment must begin with the line; remove the spaces before the #"},
      {"topic\tread a", "a tab or another control character; put spaces between the words"},
      {std::string("topic a\0b", 9), "a tab or another control character; put spaces between the words"},
      {"topic a\xFF", "not UTF-8 that MQTT allows; save the file as UTF-8"},
  };
  for (const auto& [line, what] : rows) {
    std::string why;
    auto file = AclFile::parse("topic a\n# b\n" + line + "\ntopic c", why);
    ASSERT_TRUE(file.has_error()) << line;
    EXPECT_EQ(file.error(), errc::file_format);
    EXPECT_EQ(why, "line 3: " + what);
  }
}

TEST(AclFile, IsLoaded) {
  namespace fs = std::filesystem;
  const fs::path dir = fs::path(::testing::TempDir()) / ("acl-file-" + std::to_string(::getpid()));
  fs::create_directories(dir);
  const std::string file = dir / "acl";
  auto write = [&](std::string_view text, mode_t mode) {
    std::ofstream(file) << text;
    ::chmod(file.c_str(), mode);
  };
  std::string why;
  std::vector<std::string> warnings;
  auto load = [&] {
    warnings.clear();
    return AclFile::load(file, why, warnings);
  };

  EXPECT_EQ(load().error(), errc::file_unreadable);
  EXPECT_EQ(why, file + ": No such file or directory");
  EXPECT_EQ(AclFile::load(dir, why, warnings).error(), errc::file_unreadable);
  EXPECT_EQ(why, dir.string() + ": Is a directory");

  write("topic read a", 0644);
  auto good = load();
  ASSERT_TRUE(good.has_value()) << why;
  EXPECT_EQ(may(**good, kNobody, "a"), "r");
  EXPECT_THAT(warnings, IsEmpty());

  write("topic read d/%c\ntopic $share/g/a", 0646);
  EXPECT_TRUE(load().has_value());
  EXPECT_THAT(
      warnings,
      ElementsAre(file + ": everybody on this machine can write it; mode 0640 is right",
                  file + ": line 1: %c is nothing special in a topic line; write: pattern "
                         "[read|write|readwrite|deny|subscribe] <filter>",
                  file + ": line 2: this rule matches nothing: rights are asked for what follows $share/<group>/, so "
                         "leave that away"));

  write("\ntopic", 0644);
  EXPECT_EQ(load().error(), errc::file_format);
  EXPECT_EQ(why, file + ": line 2: no topic; write: topic [read|write|readwrite|deny|subscribe] <filter>");
  fs::remove_all(dir);
}

TEST(AclFile, RightsAreSharedAndStay) {
  ports::RightsPtr ann;
  {
    auto file = acl("topic a\nuser ann\ntopic b\npattern read p/%c");
    ann = file->rights(kAnn);
    EXPECT_EQ(ann, file->rights({"other client", "ann"}));
    EXPECT_EQ(file->rights(kBob), file->rights({"c", "carol"})) << "all whom the file does not name";
    EXPECT_NE(file->rights(kNobody), file->rights(kBob));
  }
  EXPECT_TRUE(ann->may_publish(kAnn, "b", true)) << "the file is gone";
  EXPECT_TRUE(ann->may_receive({"other", "ann"}, "p/other"));
}

TEST(AclFile, MayHaveManyLines) {
  std::string text;
  for (int user = 0; user < 100; ++user) {
    text += "user u" + std::to_string(user) + "\n";
    for (int i = 0; i < 99; ++i) text += "topic read site/" + std::to_string(user) + "/" + std::to_string(i) + "/#\n";
  }
  auto file = acl(text);
  EXPECT_EQ(may(*file, {"c", "u99"}, "site/99/98/x"), "r");
  EXPECT_EQ(may(*file, {"c", "u99"}, "site/98/98/x"), "");
  EXPECT_EQ(may(*file, {"c", "u99"}, "site/99/99/x"), "");
}

TEST(AclAuthorizer, GivesTheRightsOfTheNewFile) {
  AclAuthorizer authorizer(acl("pattern read a"));
  const ports::RightsPtr before = authorizer.rights(kAnn);
  EXPECT_TRUE(before->may_receive(kAnn, "a"));
  authorizer.replace(acl(""));
  EXPECT_FALSE(authorizer.rights(kAnn)->may_receive(kAnn, "a"));
  EXPECT_TRUE(before->may_receive(kAnn, "a")) << "who has rights asks again";
}

TEST(AclAuthorizer, IsAskedWhileItsFileIsReplaced) {
  AclAuthorizer authorizer(acl("pattern read a"));
  std::atomic<bool> stop = false;
  std::thread asking([&] {
    while (!stop) EXPECT_TRUE(authorizer.rights(kAnn)->may_receive(kAnn, "a"));
  });
  for (int i = 0; i < 200; ++i) authorizer.replace(acl("pattern read a"));
  stop = true;
  asking.join();
}

}  // namespace
}  // namespace sb::auth
