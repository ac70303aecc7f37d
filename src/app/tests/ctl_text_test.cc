// SPDX-License-Identifier: MIT
#include "app/ctl_text.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace sb::app {
namespace {

boost::json::object object(std::string_view text) { return parse_json(text, 8).value().as_object(); }

TEST(CtlText, Durations) {
  const struct {
    std::uint64_t seconds;
    const char* text;
  } rows[] = {{0, "0 s"},          {59, "59 s"},           {60, "1 min 0 s"},  {3599, "59 min 59 s"},
              {3600, "1 h 0 min"}, {86399, "23 h 59 min"}, {86400, "1 d 0 h"}, {1'000'000, "11 d 13 h"}};
  for (auto& row : rows) EXPECT_EQ(duration_text(row.seconds), row.text);
}

TEST(CtlText, NamesAreHarmless) {
  const struct {
    std::string_view name, text;
  } rows[] = {{"a b", "a b"},
              {"\x1b[31m", "?[31m"},
              {"a\r\nb\t\x7f", "a??b??"},
              {"é", "é"},
              {"\xC2\x9B"
               "1m",
               "?1m"},
              {"\xC2\xA0", "\xC2\xA0"},
              {{"a\0b", 3}, "a?b"}};
  for (auto& row : rows) EXPECT_EQ(shown(row.name), row.text);
}

TEST(CtlText, Columns) {
  ColumnTable t({"A", "LONG", "C"});
  t.add({"éé", "x", "1"});
  t.add({"a", "y\n", "22"});
  EXPECT_EQ(t.text(), "A   LONG  C\néé  x     1\na   y?    22\n");
}

TEST(CtlText, Status) {
  const auto status = object(R"({"node":"n1","silent":["n3","n4"],"nodes":[
    {"node":"n1","version":"1.0","uptime":61,"state":"draining","store":{"kind":"embedded","state":"down","reason":"disk"},
     "clients":2,"connections":3,"subscriptions":4,"messages":{"received":5,"sent":6},"retained":7,
     "memory":{"bytes":1572864,"full":true},"listeners":[{"kind":"mqtt","address":"a:1","open":true,"connections":3},
     {"kind":"ws","address":"a:2","open":false,"connections":0}]},
    {"node":"n2"}]})");
  EXPECT_EQ(status_text(status),
            "node        n1, version 1.0, up 1 min 1 s\n"
            "state       draining\n"
            "store       embedded, down: disk\n"
            "clients     2 on 3 connections, 4 subscriptions\n"
            "messages    5 received, 6 sent, 7 retained\n"
            "memory      1.5 MiB, full: new work is refused\n"
            "listeners   mqtt a:1 (3), ws a:2 (closed)\n"
            "\n"
            "node        n2, version , up 0 s\n"
            "state       \n"
            "store       , \n"
            "clients     0 on 0 connections, 0 subscriptions\n"
            "messages    0 received, 0 sent, 0 retained\n"
            "memory      0.0 MiB\n"
            "listeners   \n")
      << "what is missing does no harm";
  EXPECT_EQ(silent_text(status), "n3, n4");
}

TEST(CtlText, Clients) {
  const auto answer = object(R"({"clients":[
    {"client_id":"c1","username":"","address":"192.0.2.1:1","protocol":"5","node":"n1","session":"durable",
     "connected_since":"2026-01-31T12:00:00Z","subscriptions":3,"in_flight":12},7]})");
  EXPECT_EQ(clients_text(array_of(answer, "clients")),
            "CLIENT  USER  ADDRESS      PROTOCOL  NODE  SESSION  SINCE                 SUBSCRIPTIONS  IN FLIGHT\n"
            "c1      -     192.0.2.1:1  5         n1    durable  2026-01-31T12:00:00Z  3              12\n");
}

}  // namespace
}  // namespace sb::app
