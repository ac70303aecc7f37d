// SPDX-License-Identifier: MIT
#include "auth/user_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <utility>

#include "auth/scram_keys.h"
#include "auth/user_lines.h"

namespace sb::auth {
namespace {

/// `text` with what `edit(line)` makes of each line: itself, another, or nothing (a null view).
template <class F>
std::string edit_lines(std::string_view text, F edit) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1);
    const std::string_view whole = text.substr(0, end + 1);
    text.remove_prefix(end + 1);
    std::string_view line = whole.substr(0, whole.find_last_not_of("\r\n") + 1);
    const std::string_view now = edit(line);
    if (now.data() == nullptr) continue;
    if (now.data() == line.data()) {
      out += whole;
    } else {
      out.append(now) += '\n';
    }
  }
  return out;
}

std::string_view user_of(std::string_view line) {
  const auto user = split_user_line(line);
  return user ? user->name : std::string_view();
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

}  // namespace

std::string with_user(std::string_view text, std::string_view name, std::string_view lines) {
  bool found = false;
  std::string out = edit_lines(text, [&](std::string_view old) {
    if (user_of(old) != name) return old;
    return std::exchange(found, true) ? std::string_view() : lines;
  });
  if (found) return out;
  if (!out.empty() && !out.ends_with('\n')) out += '\n';
  out.append(lines) += '\n';
  return out;
}

std::string without_user(std::string_view text, std::string_view name) {
  return without_users(text, [&](std::string_view other) { return other == name; });
}

std::string without_users(std::string_view text, const std::function<bool(std::string_view name)>& gone) {
  return edit_lines(text, [&](std::string_view old) {
    const std::string_view name = user_of(old);
    return !name.empty() && gone(name) ? std::string_view() : old;
  });
}

result<std::string> read_user_file(const std::string& file, std::string& why) {
  std::vector<std::string> unused;
  if (::access(file.c_str(), F_OK) != 0 && errno == ENOENT) return std::string();
  return load_user_file(file, why, unused);
}

result<std::string> load_user_file(const std::string& file, std::string& why, std::vector<std::string>& warnings) {
  std::unique_ptr<FILE, int (*)(FILE*)> f(std::fopen(file.c_str(), "re"), std::fclose);
  std::string text;
  struct stat info = {};
  if (f && ::fstat(fileno(f.get()), &info) == 0) {
    // Reserved, so that the text has one place, which can be wiped.
    if (S_ISREG(info.st_mode)) text.reserve(static_cast<std::size_t>(info.st_size));
    char buffer[8192];
    for (std::size_t n; (n = std::fread(buffer, 1, sizeof buffer, f.get())) > 0;) text.append(buffer, n);
    OPENSSL_cleanse(buffer, sizeof buffer);
  }
  if (!f || std::ferror(f.get())) {
    why = fmt::format("{}: {}", file, std::strerror(errno));
    wipe(text);
    return errc::file_unreadable;
  }
  if ((info.st_mode & (S_IROTH | S_IWOTH)) != 0) {
    warnings.push_back(fmt::format("{}: everybody on this machine can {} it; mode 0600 is right", file,
                                   info.st_mode & S_IWOTH ? "write" : "read"));
  }
  return text;
}

error_code write_user_file(const std::string& file, std::string_view text, std::string& why) {
  std::error_code ec;
  const std::filesystem::path target = std::filesystem::weakly_canonical(file, ec);
  const std::string final_name = ec ? file : target.string();
  std::string temporary = final_name + ".XXXXXX";
  const int fd = ::mkostemp(temporary.data(), O_CLOEXEC);  // mode 0600
  bool good = fd >= 0;
  struct stat old = {};
  if (good && ::stat(final_name.c_str(), &old) == 0) {
    // An existing file is the broker's: it must still be able to read it. The owner comes first, as chown() may take
    // mode bits away.
    struct stat mine = {};
    good = ::fstat(fd, &mine) == 0;
    if (good && (mine.st_uid != old.st_uid || mine.st_gid != old.st_gid))
      good = ::fchown(fd, old.st_uid, old.st_gid) == 0;
    good = good && ::fchmod(fd, old.st_mode & 0770) == 0;
  }
  good = good && write_all(fd, text) && ::fsync(fd) == 0;
  int error = good ? 0 : errno;
  if (fd >= 0) ::close(fd);
  if (good && ::rename(temporary.c_str(), final_name.c_str()) != 0) error = errno;
  if (error != 0) {
    why = fmt::format("{}: {}", file, std::strerror(error));
    if (fd >= 0) ::unlink(temporary.c_str());
    return errc::file_unwritable;
  }
  // The rename is safe once its directory is.
  const std::string directory = std::filesystem::path(final_name).parent_path().string();
  const int dir = ::open(directory.empty() ? "." : directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir >= 0) {
    ::fsync(dir);
    ::close(dir);
  }
  return {};
}

}  // namespace sb::auth
