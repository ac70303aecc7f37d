// SPDX-License-Identifier: MIT
// Texts of pub and sub: JSON, output formats, properties, lines.
#include <gtest/gtest.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <ctime>

#include "app/client_properties.h"
#include "app/json_text.h"
#include "app/pub_source.h"
#include "app/sub_format.h"

namespace sb::app {
namespace {

TEST(JsonText, Strings) {
  auto json = [](std::string_view s) {
    std::string out;
    add_json_string(out, s);
    return out;
  };
  EXPECT_EQ(json("a\"\\\n\t\x01"), "\"a\\\"\\\\\\n\\t\\u0001\"");
  EXPECT_EQ(json("\xC3\xA4"), "\"\xC3\xA4\"");
  EXPECT_EQ(json("\xC3\xA4\xFFz"), "\"\xC3\xA4\xEF\xBF\xBDz\"");
}

TEST(JsonText, Grammar) {
  for (const char* good : {"1", "-0.5e+3", "\"a\\u00e4\"", "[]", " [1, {\"a\": [true,false,null]}] ", "{}"})
    EXPECT_TRUE(is_json(good)) << good;
  for (const char* bad : {"", "01", "1.", "+1", "\"", "\"\\x\"", "[1,]", "{\"a\"}", "{a:1}", "nul", "1 2", "\"\x01\"",
                          "\"\xFF\"", "[", "{\"a\":1,}"})
    EXPECT_FALSE(is_json(bad)) << bad;
  EXPECT_FALSE(is_json(std::string(100'000, '[')));  // and the stack holds
}

TEST(SubFormat, Messages) {
  setenv("TZ", "UTC", 1);
  tzset();
  mqtt::Publish m;
  m.topic = "a/b";
  m.payload = "hi";
  m.qos = 1;
  m.packet_id = 7;
  m.retain = true;
  timespec now{1588802523, 123456789};
  struct {
    const char *format, *text;
  } cases[] = {
      {"%t %p", "a/b hi"},
      {"%q%r%m%l", "1172"},
      {"%x|%X", "6869|6869"},
      {"[%5t][%-5t][%.2t][%05m][%-05m]", "[  a/b][a/b  ][a/][00007][7    ]"},
      {"%I", "2020-05-06T22:02:03+0000"},
      {"%U", "1588802523.123456789"},
      {"@H:@M.@N @@ %%", "22:02.123456789 @ %"},
      {"a\\tb\\\\", "a\tb\\"},
      {"%j",
       "{\"tst\":\"2020-05-06T22:02:03.123456+0000\",\"topic\":\"a/b\",\"qos\":1,\"retain\":1,\"payloadlen\":2,"
       "\"mid\":7,\"payload\":\"hi\"}"},
      {"%A%C%D%E%F%P%R%S", ""},
  };
  for (auto& c : cases) {
    SubFormat f;
    std::string problem, out;
    ASSERT_TRUE(SubFormat::compile(c.format, f, problem)) << c.format << ": " << problem;
    EXPECT_TRUE(f.write(m, now, out));
    EXPECT_EQ(out, c.text) << c.format;
  }
  SubFormat f;
  std::string problem, out = "before";
  ASSERT_TRUE(SubFormat::compile("x%J", f, problem));
  EXPECT_FALSE(f.write(m, now, out));
  EXPECT_EQ(out, "before");
}

TEST(SubFormat, Problems) {
  struct {
    const char *format, *problem;
  } cases[] = {
      {"%y", "there is no %y"}, {"%5", "there is no %"}, {"a%", "it ends with a single %"}, {"\\q", "there is no \\q"}};
  for (auto& c : cases) {
    SubFormat f;
    std::string problem;
    EXPECT_FALSE(SubFormat::compile(c.format, f, problem));
    EXPECT_EQ(problem, c.problem);
  }
}

TEST(ClientProperties, WithAndWithoutAnEmptyWordBehindThree) {
  for (bool with : {false, true}) {
    std::vector<std::string> words = {"publish", "user-property", "k", "", "publish", "content-type", "t"};
    if (with) words.push_back("");
    words.insert(words.end(), {"connect", "session-expiry-interval", "9"});
    if (with) words.push_back("");
    words.insert(words.end(), {"will", "will-delay-interval", "1"});
    client::Options o;
    std::string will;
    auto p = parse_properties(words, o, will);
    EXPECT_EQ(p.publish, std::string("\x26\0\1k\0\0\x03\0\1t", 10));
    EXPECT_EQ(o.session_expiry, 9u);
    EXPECT_EQ(will, std::string("\x18\0\0\0\1", 5));
  }
}

TEST(ClientProperties, Problems) {
  for (std::vector<std::string> words : {std::vector<std::string>{"publish", "topic-alias", "0"},
                                         {"publish", "will-delay-interval", "1"},
                                         {"publish"},
                                         {"subscribe", "subscription-identifier", "268435456"},
                                         {"publish", "content-type", "\xFF"},
                                         {"ping", "x", "y"}}) {
    client::Options o;
    std::string will;
    EXPECT_THROW(parse_properties(words, o, will), CLI::ValidationError);
  }
}

TEST(PubSource, LinesOfAPipe) {
  int pipe_fds[2];
  ASSERT_EQ(::pipe(pipe_fds), 0);
  PubSource s = PubSource::lines(pipe_fds[0]);
  auto write = [&](std::string_view text) {
    ASSERT_EQ(::write(pipe_fds[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  };
  auto take = [&]() -> std::string {
    const std::string_view* line = s.next();
    if (!line) return "none";
    std::string copy(*line);
    s.take();
    return copy;
  };
  EXPECT_EQ(take(), "none");
  write("one\ntw");
  EXPECT_EQ(take(), "one");
  EXPECT_EQ(take(), "none");
  EXPECT_FALSE(s.done());
  write("o\n\nrest");
  EXPECT_EQ(take(), "two");
  EXPECT_EQ(take(), "");
  ::close(pipe_fds[1]);
  EXPECT_FALSE(s.done());
  EXPECT_EQ(take(), "rest");
  EXPECT_TRUE(s.done());
  ::close(pipe_fds[0]);
}

TEST(PubSource, Repetitions) {
  PubSource s = PubSource::repeated("x", 2);
  EXPECT_EQ(*s.next(), "x");
  s.take();
  s.take();
  EXPECT_TRUE(s.done());
}

}  // namespace
}  // namespace sb::app
