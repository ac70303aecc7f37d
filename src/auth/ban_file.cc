// SPDX-License-Identifier: MIT
#include "auth/ban_file.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <ctime>
#include <optional>

#include "auth/user_lines.h"
#include "base/read_file.h"

namespace sb::auth {
namespace {

constexpr std::string_view kUntil = " until ";

/// "2027-01-31T00:00:00Z"
std::optional<WallTime> parse_time(const std::string& text) {
  std::tm t{};
  const char* end = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%SZ", &t);
  if (!end || *end) return std::nullopt;
  const int month = t.tm_mon, day = t.tm_mday;
  const std::time_t seconds = ::timegm(&t);
  if (t.tm_mon != month || t.tm_mday != day) return std::nullopt;  // the 31st of February
  return WallTime(Seconds(seconds));
}

}  // namespace

/// What is wrong with the line, "" when nothing is.
std::string BanFile::take(std::string_view line) {
  WallTime until = kNoExpiry;
  if (auto at = line.rfind(kUntil); at != std::string_view::npos) {
    auto time = parse_time(std::string(line.substr(at + kUntil.size())));
    if (!time) return "what follows `until` is no time like 2027-01-31T00:00:00Z";
    until = *time;
    line = line.substr(0, at);
  }
  const auto blank = line.find(' ');
  const std::string_view kind = line.substr(0, blank);
  const std::string_view name = blank == std::string_view::npos ? std::string_view() : line.substr(blank + 1);
  if (kind != "client" && kind != "user" && kind != "address")
    return fmt::format("\"{}\" is none of `client`, `user` and `address`", kind);
  if (name.empty()) return fmt::format("`{}` needs a name behind it", kind);
  if (name.find(" #") != std::string_view::npos)
    return "a comment has a line of its own; a name with \" #\" in it cannot be banned here";
  if (kind == "address") {
    auto net = Subnet::parse(name);
    if (!net) return fmt::format("\"{}\" is no address like 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32", name);
    addresses_.emplace_back(*net, until);
  } else if (!(kind == "client" ? clients_ : users_).emplace(std::string(name), until).second) {
    return fmt::format("{} {} is there twice; delete one", kind, name);
  }
  return {};
}

result<std::shared_ptr<const BanFile>> BanFile::parse(std::string_view text, std::string& why) {
  std::shared_ptr<BanFile> bans(new BanFile);
  each_line(text, [&](std::string_view line, std::size_t number) {
    if (is_comment(line)) return true;
    std::string wrong = bans->take(line);
    if (!wrong.empty()) why = fmt::format("line {}: {}", number, wrong);
    return wrong.empty();
  });
  if (!why.empty()) return errc::file_format;
  return std::shared_ptr<const BanFile>(std::move(bans));
}

result<std::shared_ptr<const BanFile>> BanFile::load(const std::string& file, std::string& why,
                                                     std::vector<std::string>& warnings) {
  auto text = read_file(file);
  if (!text) {
    why = fmt::format("{}: {}", file, text.error().message());
    return errc::file_unreadable;
  }
  struct stat info = {};
  if (::stat(file.c_str(), &info) == 0 && (info.st_mode & S_IWOTH) != 0)
    warnings.push_back(fmt::format("{}: everybody on this machine can write it; mode 0640 is right", file));
  auto bans = parse(*text, why);
  if (!bans) why = fmt::format("{}: {}", file, why);
  return bans;
}

bool BanFile::has_address(const Ip& a, WallTime now) const {
  for (auto& [net, until] : addresses_)
    if (net.contains(a) && now < until) return true;
  return false;
}

}  // namespace sb::auth
