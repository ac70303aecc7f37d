// SPDX-License-Identifier: MIT
#include "auth/user_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

namespace sb::auth {
namespace {

TEST(UserFile, LinesAreEditedAlone) {
  const std::string a = "a:SCRAM-SHA-256$1", b = "b:SCRAM-SHA-256$2", n = "a:SCRAM-SHA-256$new";
  const struct {
    std::string before, with, without;
  } rows[] = {
      {"", n + "\n", ""},
      {a + "\n" + b + "\n", n + "\n" + b + "\n", b + "\n"},
      {a + "\r\n" + b + "\r\n", n + "\n" + b + "\r\n", b + "\r\n"},
      {"# a:SCRAM-SHA-256$0\n\n" + b, "# a:SCRAM-SHA-256$0\n\n" + b + "\n" + n + "\n", "# a:SCRAM-SHA-256$0\n\n" + b},
      {b + "\n" + a, b + "\n" + n + "\n", b + "\n"},
      {a + "\na:$7$x\n" + b + "\n", n + "\n" + b + "\n", b + "\n"},
      {"b:$6$x\na:$scrypt$x\n\n" + a, "b:$6$x\n" + n + "\n\n", "b:$6$x\n\n"},
      {"a:pencil\n", "a:pencil\n" + n + "\n", "a:pencil\n"},
      {"aa:SCRAM-SHA-256$3\n", "aa:SCRAM-SHA-256$3\n" + n + "\n", "aa:SCRAM-SHA-256$3\n"},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(with_user(row.before, "a", n), row.with);
    EXPECT_EQ(without_user(row.before, "a"), row.without);
  }
}

TEST(UserFile, SeveralLinesOfAUser) {
  EXPECT_EQ(with_user("b:$6$x\na:$7$x\nc:$6$x\na:SCRAM-SHA-256$1\n", "a", "a:$6$1\na:SCRAM-SHA-256$2"),
            "b:$6$x\na:$6$1\na:SCRAM-SHA-256$2\nc:$6$x\n");
  EXPECT_EQ(with_user("b:$6$x", "a", "a:$6$1\na:SCRAM-SHA-256$2"), "b:$6$x\na:$6$1\na:SCRAM-SHA-256$2\n");
  EXPECT_EQ(without_users("#\nb:$6$x\na:$7$x\nab:$6$x\na:SCRAM-SHA-256$1\n",
                          [](std::string_view name) { return name.starts_with('a'); }),
            "#\nb:$6$x\n");
}

TEST(UserFile, IsReplacedInOneStep) {
  namespace fs = std::filesystem;
  const fs::path dir = fs::path(::testing::TempDir()) / ("user-file-" + std::to_string(::getpid()));
  fs::create_directories(dir);
  const std::string file = dir / "users", link = dir / "link";
  auto mode = [&] {
    struct stat s = {};
    ::stat(file.c_str(), &s);
    return s.st_mode & 0777;
  };
  std::string why;
  EXPECT_EQ(*read_user_file(file, why), "");
  EXPECT_FALSE(write_user_file(file, "one\n", why)) << why;
  EXPECT_EQ(mode(), 0600u);
  EXPECT_EQ(*read_user_file(file, why), "one\n");
  ::chmod(file.c_str(), 0644);
  fs::create_symlink(file, link);
  EXPECT_FALSE(write_user_file(link, "two\n", why)) << why;
  EXPECT_EQ(mode(), 0640u) << "the group stays, everybody goes";
  EXPECT_TRUE(fs::is_symlink(link));
  EXPECT_EQ(*read_user_file(file, why), "two\n");
  EXPECT_EQ(std::distance(fs::directory_iterator(dir), {}), 2) << "no temporary file is left";
  EXPECT_EQ(write_user_file(dir / "none" / "users", "x", why), errc::file_unwritable);
  EXPECT_EQ(why, (dir / "none" / "users").string() + ": No such file or directory");
  EXPECT_TRUE(read_user_file(dir, why).has_error());
  fs::remove_all(dir);
}

}  // namespace
}  // namespace sb::auth
