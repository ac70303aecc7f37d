// SPDX-License-Identifier: MIT
#include "auth/users.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "auth/mosquitto_file.h"
#include "auth/scram_users.h"

namespace sb::auth {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Cheap, as most of these tests are not about the cost.
std::string scrypt_line(const std::string& name, std::string_view password) {
  return name + ":" + format_password_hash(make_password_hash(password, {10, 8, 1})) + "\n";
}
std::string scram_line(std::string_view name, std::string_view password) {
  return format_scram_line(name, make_scram_keys(password, 4096)) + "\n";
}
const std::string kHash7 =  // "secret"
    "$7$101$hz6J9kZ6PXzEA5fV$xic8S0iWzoWvco8ZCp98yeUTEL5yQ173PjnYVN+D5+9YsQ0A6P+QTd6SdZP2A9lzYQkMjSRZ7ygtzs4B9CTY2w==";
const std::string kHash6 =  // "secret"
    "$6$9HrWNJQOgbMLG9kt$k8mwlrF5XZECGMgJVYPQTjy+XFpkMLtuVk69Xd1BIp6BZMoDmRjGVQ0+w67j2MEz1Kkptz345UtkkJmfjxuEnA==";

std::shared_ptr<const PasswordUsers> users(const std::string& text) {
  std::string why;
  auto r = PasswordUsers::parse(text, why);
  EXPECT_TRUE(r.has_value()) << why;
  return *r;
}

TEST(PasswordUsers, AllKindsOfLines) {
  const std::string text = "# users\n\n" + scrypt_line("new", "a") + "m2:" + kHash7 + "\r\nm1:" + kHash6 + "\n" +
                           scram_line("scram", "b") + scram_line("both", "c") + scrypt_line("both", "c") +
                           scrypt_line("x:$6$y", "d") + scram_line("differ", "e") + scrypt_line("differ", "f");
  auto u = users(text);
  EXPECT_EQ(u->size(), 7u);
  const struct {
    std::string_view name, password;
    Checked checked;
  } rows[] = {
      {"new", "a", Checked::right},     {"new", "b", Checked::wrong},      {"m2", "secret", Checked::right},
      {"m2", "Secret", Checked::wrong}, {"m1", "secret", Checked::right},  {"m1", "", Checked::wrong},
      {"scram", "b", Checked::right},   {"scram", "a", Checked::wrong},    {"both", "c", Checked::right},
      {"both", "x", Checked::wrong},    {"x:$6$y", "d", Checked::right},   {"x", "d", Checked::unknown},
      {"", "", Checked::unknown},       {"# users", "", Checked::unknown}, {"new ", "a", Checked::unknown},
      {"differ", "f", Checked::right},  {"differ", "e", Checked::wrong},
  };
  for (const auto& row : rows) EXPECT_EQ(u->check(row.name, row.password), row.checked) << row.name;

  std::string why;
  auto scram = ScramUsers::parse(text, why);
  ASSERT_TRUE(scram.has_value()) << why;
  EXPECT_EQ((*scram)->size(), 3u) << "the same file serves SCRAM";
  EXPECT_NE((*scram)->find("both"), nullptr);
  EXPECT_EQ((*scram)->find("new"), nullptr);
}

TEST(PasswordUsers, AnUnknownNameCostsWhatMostCost) {
  EXPECT_EQ(password_cost(users("")->login("x")), password_cost(ScryptHash{}));
  const std::string two = scram_line("a", "a") + scram_line("b", "b");
  EXPECT_EQ(password_cost(users(two + scrypt_line("c", "c"))->login("x")), "scram 4096");
  EXPECT_EQ(password_cost(users(two + "c:" + kHash7 + "\nd:" + kHash7 + "\ne:" + kHash7 + "\n")->login("x")),
            "pbkdf2 101");
  EXPECT_EQ(password_cost(users(two + scrypt_line("a", "a") + scrypt_line("b", "b"))->login("x")), "scrypt 10,8,1");
}

TEST(PasswordUsers, WrongLinesAreNamed) {
  const std::string good = scrypt_line("user", "x");
  const struct {
    std::string text;
    const char* what;
  } rows[] = {
      {"user:pencil\n", "line 1: expected user:SCRAM-SHA-256$..., user:$scrypt$"},
      {good + "\nx", "line 3: expected"},
      {good + "#\n" + good, "line 3: user user is there twice, also in line 1; delete one"},
      {good + "user:" + kHash7, "line 2: user user is there twice, also in line 1"},
      {good + scram_line("user", "x") + scram_line("user", "x"), "line 3: user user is there twice, also in line 2"},
      {":" + kHash6, "line 1: the name is empty"},
      {"a\tb:" + kHash6, "line 1: the name has a control character"},
      {good + "b:$scrypt$ln=30,r=8,p=1$AAAA$AAAA", "line 2: scrypt with ln=30,r=8,p=1 is not taken"},
      {"b:SCRAM-SHA-256$1:x$y:z", "line 1: the iterations must be"},
  };
  for (const auto& row : rows) {
    std::string why;
    auto r = PasswordUsers::parse(row.text, why);
    EXPECT_TRUE(r.has_error() && r.error() == errc::file_format) << row.text;
    EXPECT_THAT(why, HasSubstr(row.what));
    EXPECT_THAT(why, Not(HasSubstr("pencil")));
  }
}

TEST(PasswordUsers, FilesAndTheirPermissions) {
  const std::string file = ::testing::TempDir() + "password-users-test";
  std::ofstream(file) << scrypt_line("user", "pencil");
  std::string why;
  std::vector<std::string> warnings;
  chmod(file.c_str(), 0640);
  EXPECT_TRUE(PasswordUsers::load(file, why, warnings).has_value());
  EXPECT_TRUE(warnings.empty());
  chmod(file.c_str(), 0644);
  EXPECT_TRUE(PasswordUsers::load(file, why, warnings).has_value());
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_THAT(warnings[0], HasSubstr(file + ": everybody on this machine can read it"));
  std::ofstream(file) << "x\n";
  EXPECT_EQ(PasswordUsers::load(file, why, warnings).error(), errc::file_format);
  EXPECT_THAT(why, HasSubstr(file + ": line 1:"));
  std::filesystem::remove(file);
  EXPECT_EQ(PasswordUsers::load(file, why, warnings).error(), errc::file_unreadable);
  EXPECT_EQ(why, file + ": No such file or directory");
}

TEST(MosquittoFile, HashesAndPasswords) {
  std::string why;
  const std::string text = "#c\n\na:" + kHash7 + "\nb:" + kHash6 + "  \r\nc:plain \t\nd:$tart\ne:a#b c";
  auto r = parse_mosquitto_file(text, why);
  ASSERT_TRUE(r.has_value()) << why;
  ASSERT_EQ(r->size(), 5u);
  const struct {
    std::string_view name, password;
    std::size_t line;
  } rows[] = {{"a", "", 3}, {"b", "", 4}, {"c", "plain", 5}, {"d", "$tart", 6}, {"e", "a#b c", 7}};
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ((*r)[i].name, rows[i].name);
    EXPECT_EQ((*r)[i].line, rows[i].line);
    EXPECT_EQ((*r)[i].password, rows[i].password);
    EXPECT_EQ((*r)[i].hash.has_value(), i < 2);
    if (i < 2) {
      EXPECT_TRUE(password_matches(*(*r)[i].hash, "secret"));
    }
  }
}

TEST(MosquittoFile, WrongLinesAreNamed) {
  const struct {
    std::string text;
    const char* what;
  } rows[] = {
      {"pencil", "line 1: expected user:$7$..., user:$6$... or user:password"},
      {"#\na:x\na:y\n", "line 3: user a is there twice, also in line 2"},
      {"a:", "line 1: user a has no password; write one"},
      {"a:  \n", "line 1: user a has no password"},
      {":pencil", "line 1: the name is empty"},
      {"a:pencil:2", "line 1: the password of a has a \":\""},
      {"a:pencil\xFF", "line 1: the password of a is not UTF-8"},
      {"a:$7$101$pencil", "line 1: the salt is not base64"},
      {"a:$argon2id$v=19$m=1,t=1,p=1$pencil$x", "line 1: hashes of this kind are not known; set the password again"},
  };
  for (const auto& row : rows) {
    std::string why;
    auto r = parse_mosquitto_file(row.text, why);
    EXPECT_TRUE(r.has_error() && r.error() == errc::file_format) << row.text;
    EXPECT_THAT(why, HasSubstr(row.what));
    EXPECT_THAT(why, Not(HasSubstr("pencil")));
  }
}

}  // namespace
}  // namespace sb::auth
