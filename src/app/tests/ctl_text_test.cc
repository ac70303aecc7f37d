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
            "listeners   \n"
            "\n"
            "n3: no answer\n"
            "n4: no answer\n")
      << "what is missing does no harm";
  EXPECT_EQ(missing_text(status), "n3: no answer, n4: no answer");
  EXPECT_EQ(missing_text(object(R"({"silent":["a\u001b"],"refused":[{"node":"b","reason":"old\n"},7]})")),
            "a?: no answer, b: old?");
  EXPECT_EQ(missing_text({}), "");
}

std::string status_of(std::string_view what) {
  const std::string all = status_text(object(R"({"nodes":[{"node":"n1",)" + std::string(what) + "}]}"));
  return all.substr(all.find("cluster"));
}

TEST(CtlText, StatusInACluster) {
  EXPECT_EQ(
      status_of(R"("cluster":{"name":"main","member":true,"epoch":1795398486702,"lease":4200,"fresh":true,
      "routes":{"own":2,"others":3},"members":[{"node":"n2","epoch":7},
      {"node":"n3","epoch":8,"waiting":950,"unread":1572864}],"lost":["n4",5,"n5"],
      "bus":{"heard":120,"sent":5,"received":6,"dropped":7,"gaps":8}},
      "logs":{"count":1,"messages":2,"bytes":2048,"waiting":10,"oldest":1500},
      "redis":[{"address":"r1:6379","role":"primary","reason":"","replicas":[
        {"address":"r2:6379","state":"online","behind":14,"seconds":1},
        {"address":"r3:6379","state":"wait_bgsave","behind":0,"seconds":0}]},
        {"address":"r4:6379","role":"","reason":"not connected","replicas":[]},
        {"address":"r5:6379","role":"primary","reason":"","replicas":[]}],
      "acknowledgement":{"means":"somebody has it","weak":["he forgets",5,"is alone"]})"),
      "cluster     main, member with epoch 1795398486702, lease for 4.2 s\n"
      "members     n2 (epoch 7), n3 (epoch 8, 950 B wait for Redis, up to 1.5 MiB unread); lost: n4, n5\n"
      "routes      2 filters wanted here, 3 elsewhere\n"
      "bus         read 0.1 s ago, 5 messages sent, 6 received, 7 dropped, 8 gaps\n"
      "logs        1 with 2 messages, 2.0 KiB; 10 B wait for Redis, the oldest request for 1.5 s\n"
      "redis       r1:6379, primary; replicas r2:6379 (online, 14 B behind, heard 1 s ago), r3:6379 (wait_bgsave, "
      "0 B behind, heard 0 s ago)\n"
      "redis       r4:6379: not connected\n"
      "redis       r5:6379, primary; no replicas\n"
      "ack means   somebody has it\n"
      "            but he forgets\n"
      "            but is alone\n");
  EXPECT_EQ(status_of(R"("cluster":{"bus":{"heard":null}})"),
            "cluster     , not a member, no lease, holds acknowledgements back\n"
            "members     no others\n"
            "routes      0 filters wanted here, 0 elsewhere\n"
            "bus         never read, 0 messages sent, 0 received, 0 dropped, 0 gaps\n"
            "logs        0 with 0 messages, 0 B; 0 B wait for Redis\n"
            "redis       no primary is known\n");
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
