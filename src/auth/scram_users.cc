// SPDX-License-Identifier: MIT
#include "auth/scram_users.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>

#include "base/base64.h"
#include "base/utf8.h"

namespace sb::auth {
namespace {

constexpr std::string_view kMark = ":SCRAM-SHA-256$";

/// Calls `each(line, number)` until it returns false.
template <class F>
void each_line(std::string_view text, F each) {
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!each(line, number)) return;
  }
}

bool is_comment(std::string_view line) {
  return line.starts_with('#') || line.find_first_not_of(" \t") == std::string_view::npos;
}

}  // namespace

std::string check_user_name(std::string_view name) {
  if (name.empty()) return "the name is empty";
  if (name.starts_with('#')) return "a name cannot begin with \"#\"";
  if (name.size() > 65535 || !is_mqtt_utf8(name)) return "the name is not UTF-8 that MQTT allows";
  if (std::any_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; })) {
    return "the name has a control character";
  }
  return {};
}

std::string_view scram_line_user(std::string_view line) {
  if (is_comment(line)) return {};
  const std::size_t mark = line.rfind(kMark);
  return mark == std::string_view::npos ? std::string_view() : line.substr(0, mark);
}

result<ScramKeys> parse_scram_line(std::string_view line, std::string& why) {
  auto wrong = [&why](std::string_view text) {
    why = text;
    return errc::file_format;
  };
  const std::size_t mark = line.rfind(kMark);
  if (mark == std::string_view::npos) return wrong("expected user:SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey");
  std::string_view rest = line.substr(mark + kMark.size());
  const std::size_t colon = rest.find(':'), dollar = rest.find('$'), second = rest.rfind(':');
  if (colon == rest.npos || dollar == rest.npos || colon > dollar || second < dollar) {
    return wrong("expected iterations:salt$StoredKey:ServerKey");
  }
  ScramKeys keys;
  auto [end, ec] = std::from_chars(rest.data(), rest.data() + colon, keys.iterations);
  if (ec != std::errc() || end != rest.data() + colon || keys.iterations < kScramMinIterations ||
      keys.iterations > kScramMaxIterations) {
    return wrong(fmt::format("the iterations must be {} to {}", kScramMinIterations, kScramMaxIterations));
  }
  auto salt = base64_decode(rest.substr(colon + 1, dollar - colon - 1));
  if (!salt || salt->empty()) return wrong("the salt is not base64");
  auto stored = decode_secret(rest.substr(dollar + 1, second - dollar - 1)),
       server = decode_secret(rest.substr(second + 1));
  if (!stored || !server) return wrong("StoredKey and ServerKey must be the base64 of 32 bytes");
  keys.salt = std::move(*salt);
  keys.stored_key = *stored;
  keys.server_key = *server;
  return keys;
}

std::string format_scram_line(std::string_view name, const ScramKeys& keys) {
  return fmt::format("{}{}{}:{}${}:{}", name, kMark, keys.iterations, base64_encode(keys.salt),
                     base64_encode(keys.stored_key.view()), base64_encode(keys.server_key.view()));
}

ScramUsers::ScramUsers() : fake_secret_(random_bytes(32)) {}

result<std::shared_ptr<const ScramUsers>> ScramUsers::parse(std::string_view text, std::string& why) {
  std::shared_ptr<ScramUsers> users(new ScramUsers);
  std::map<std::pair<std::uint32_t, std::size_t>, std::size_t> shapes;  // how many users have which iterations and salt
  bool good = true;
  each_line(text, [&](std::string_view line, std::size_t number) {
    if (is_comment(line)) return true;
    std::string what;
    auto keys = parse_scram_line(line, what);
    const std::string_view name = scram_line_user(line);
    if (keys) what = check_user_name(name);
    if (what.empty() && users->users_.contains(name)) what = fmt::format("user {} is there twice", name);
    if (!what.empty()) {
      why = fmt::format("line {}: {}", number, what);
      return good = false;
    }
    // The secret of fake keys comes from the file, so that all nodes and all starts give the same fake salts; and from
    // its first user only, so that it does not change with every new user.
    if (users->users_.empty()) users->fake_secret_ = hmac_sha256(keys->server_key.view(), "fake salts").view();
    ++shapes[{keys->iterations, keys->salt.size()}];
    users->users_.emplace(name, *keys);
    return true;
  });
  if (!good) return errc::file_format;
  auto most = std::max_element(shapes.begin(), shapes.end(), [](auto& a, auto& b) { return a.second < b.second; });
  if (most != shapes.end()) std::tie(users->usual_iterations_, users->usual_salt_) = most->first;
  return std::shared_ptr<const ScramUsers>(std::move(users));
}

result<std::shared_ptr<const ScramUsers>> ScramUsers::load(const std::string& file, std::string& why,
                                                           std::vector<std::string>& warnings) {
  std::unique_ptr<FILE, int (*)(FILE*)> f(std::fopen(file.c_str(), "re"), std::fclose);
  std::string text;
  if (f) {
    char buffer[8192];
    for (std::size_t n; (n = std::fread(buffer, 1, sizeof buffer, f.get())) > 0;) text.append(buffer, n);
    OPENSSL_cleanse(buffer, sizeof buffer);
  }
  if (!f || std::ferror(f.get())) {
    why = fmt::format("{}: {}", file, std::strerror(errno));
    return errc::file_unreadable;
  }
  struct stat info = {};
  if (fstat(fileno(f.get()), &info) == 0 && (info.st_mode & (S_IROTH | S_IWOTH)) != 0) {
    warnings.push_back(fmt::format("{}: everybody on this machine can {} it; mode 0600 is right", file,
                                   info.st_mode & S_IWOTH ? "write" : "read"));
  }
  auto users = parse(text, why);
  wipe(text);
  if (!users) why = fmt::format("{}: {}", file, why);
  return users;
}

const ScramKeys* ScramUsers::find(std::string_view name) const {
  auto it = users_.find(name);
  return it == users_.end() ? nullptr : &it->second;
}

ScramKeys ScramUsers::fake(std::string_view name) const {
  ScramKeys keys;
  keys.iterations = usual_iterations_;
  Secret block = hmac_sha256(fake_secret_, name);
  while (keys.salt.size() < usual_salt_) {
    keys.salt += block.view();
    block = hmac_sha256(fake_secret_, block.view());
  }
  keys.salt.resize(usual_salt_);
  // Nobody can compute a proof for these: it would need what they are a hash of.
  keys.stored_key = hmac_sha256(fake_secret_, block.view());
  keys.server_key = hmac_sha256(fake_secret_, keys.stored_key.view());
  return keys;
}

}  // namespace sb::auth
