// SPDX-License-Identifier: MIT
#include "base/ip.h"

#include <gtest/gtest.h>

namespace sb {
namespace {

TEST(Ip, ReadsAndWrites) {
  for (const char* text : {"192.0.2.1", "0.0.0.0", "2001:db8::1", "::1", "::"}) {
    auto a = Ip::parse(text);
    ASSERT_TRUE(a) << text;
    EXPECT_EQ(a->text(), text);
  }
  EXPECT_EQ(Ip::parse("::ffff:192.0.2.1"), Ip::parse("192.0.2.1"));
  for (const char* text : {"", "192.0.2", "192.0.2.256", "[::1]", "1.2.3.4:5", "::g", "fe80::1%eth0", "host"})
    EXPECT_FALSE(Ip::parse(text)) << text;
  EXPECT_FALSE(Ip::parse(std::string_view("::1\0:2", 6))) << "behind a NUL there is more";
  EXPECT_FALSE(Ip());
  EXPECT_EQ(Ip().text(), "");
}

TEST(Subnet, ContainsWhatBeginsWithItsBits) {
  struct Row {
    const char *net, *in, *out;
  };
  for (const Row& r : {Row{"192.0.2.0/24", "192.0.2.255", "192.0.3.0"}, Row{"10.0.0.0/9", "10.127.1.1", "10.128.0.0"},
                       Row{"192.0.2.7", "192.0.2.7", "192.0.2.6"}, Row{"0.0.0.0/0", "1.2.3.4", "::1"},
                       Row{"2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::"}, Row{"::1/128", "::1", "::2"},
                       Row{"192.0.2.0/31", "::ffff:192.0.2.1", "192.0.2.2"}}) {
    auto net = Subnet::parse(r.net);
    ASSERT_TRUE(net) << r.net;
    EXPECT_TRUE(net->contains(*Ip::parse(r.in))) << r.net;
    EXPECT_FALSE(net->contains(*Ip::parse(r.out))) << r.net;
  }
  for (const char* text : {"192.0.2.0/33", "::/129", "192.0.2.0/", "192.0.2.0/-1", "192.0.2.0/2x", "/8", "x/8"})
    EXPECT_FALSE(Subnet::parse(text)) << text;
}

}  // namespace
}  // namespace sb
