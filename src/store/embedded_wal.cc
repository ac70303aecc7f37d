// SPDX-License-Identifier: MIT
#include "store/embedded_wal.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/crc.hpp>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>
#include <vector>

#include "store/embedded_encoding.h"

namespace sb::store::embedded {
namespace {

// The format: blocks of 32 KiB, filled with records of [crc:4][length:2][type:1] and, for types from 5 on, [log:4] in
// front of the data. No record crosses a block. The crc is of everything behind the length.
constexpr std::size_t kBlock = 32 * 1024, kHeader = 7, kLogNumber = 4;
constexpr unsigned kFull = 1, kLast = 4, kLastShortType = 4, kLastType = 10;

std::uint32_t little(const char* p, int bytes) {
  std::uint32_t n = 0;
  for (int i = bytes - 1; i >= 0; --i) n = n << 8 | static_cast<unsigned char>(p[i]);
  return n;
}

std::uint32_t masked_crc(const char* p, std::size_t n) {
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
  crc.process_bytes(p, n);
  std::uint32_t c = crc.checksum();
  return ((c >> 15) | (c << 17)) + 0xA282EAD8u;
}

// How a write ends: RocksDB's tag of log data, its length, then the mark.
constexpr std::string_view kMarkBegin{
    "\x03\x1C"
    "sbwm",
    6};
constexpr std::size_t kMark = kMarkBegin.size() + 3 * 8;

/// Bytes of the whole record at `at`, 0 when there is none.
std::size_t record_at(std::string_view s, std::size_t at) {
  std::size_t end = std::min(s.size(), (at / kBlock + 1) * kBlock);
  if (at + kHeader > end) return 0;
  const char* p = s.data() + at;
  auto type = static_cast<unsigned char>(p[6]);
  if (type == 0 || type > kLastType) return 0;
  std::size_t covered = 1 + (type > kLastShortType ? kLogNumber : 0) + little(p + 4, 2);
  if (at + 6 + covered > end || masked_crc(p + 6, covered) != little(p, 4)) return 0;
  return 6 + covered;
}

/// The mark at the end of a whole record; none when the record is not the end of a write, or too short.
std::optional<WalMark> mark_of(std::string_view record) {
  const auto type = static_cast<unsigned char>(record[6]);
  const bool ends = type == kFull || type == kLast || type == kFull + kLastShortType || type == kLast + kLastShortType;
  if (!ends || record.size() < kHeader + kMark) return {};
  record.remove_prefix(record.size() - kMark);
  if (!record.starts_with(kMarkBegin)) return {};
  const char* p = record.data() + kMarkBegin.size();
  return WalMark{get_be(p, 8), get_be(p + 8, 8), get_be(p + 16, 8)};
}

/// Calls `f(mark)` for the whole records from `at` on, whatever lies between them.
template <class F>
void each_mark(std::string_view s, std::size_t at, F f) {
  // Behind what is not whole the next may begin anywhere in this block and the next one, since a length may be what
  // changed; from there on where blocks begin.
  const std::size_t near = (at / kBlock + 2) * kBlock;
  while (at < s.size()) {
    const std::size_t n = record_at(s, at);
    if (n > 0) {
      if (auto mark = mark_of(s.substr(at, n))) f(*mark);
      at += n;
    } else {
      at = at < near ? at + 1 : (at / kBlock + 1) * kBlock;
    }
  }
}

/// Where the first record begins that is not whole.
std::size_t whole_until(std::string_view s) {
  std::size_t at = 0;
  while (at < s.size()) {
    std::size_t left = kBlock - at % kBlock;
    if (left < kHeader) {
      at += left;
      continue;
    }
    std::size_t n = record_at(s, at);
    if (n == 0) return at;
    at += n;
  }
  return s.size();
}

}  // namespace

std::optional<std::uint64_t> wal_number(std::string_view name) {
  if (auto slash = name.rfind('/'); slash != std::string_view::npos) name.remove_prefix(slash + 1);
  std::uint64_t number = 0;
  auto [end, e] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (e != std::errc() || std::string_view(end, name.data() + name.size()) != ".log") return {};
  return number;
}

std::string encode(const WalMark& mark) {
  std::string out(kMarkBegin.substr(2));  // RocksDB writes the tag and the length
  Writer(out).be(mark.first, 8).be(mark.log, 8).be(mark.bytes, 8);
  return out;
}

WalState scan_wal(std::string_view s, std::uint64_t number) {
  WalState state{whole_until(s), false};
  each_mark(s, state.good, [&](const WalMark& m) { state.corrupt |= m.covers(number, state.good); });
  return state;
}

std::string find_corrupt_wal(const std::string& path) {
  std::error_code ignored;
  std::map<std::uint64_t, std::filesystem::path> logs;
  for (std::filesystem::directory_iterator it(path, ignored), end; !ignored && it != end; it.increment(ignored))
    if (auto number = wal_number(it->path().string())) logs[*number] = it->path();
  struct Tear {
    std::uint64_t log, at;
  };
  std::vector<Tear> tears;  // what lies behind one, here or in a later log, may say that it was on the disk
  for (auto& [number, file] : logs) {
    std::ifstream in(file, std::ios::binary);
    std::string bytes(static_cast<std::size_t>(std::filesystem::file_size(file, ignored)), '\0');
    in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    bytes.resize(static_cast<std::size_t>(in.gcount()));
    const std::size_t good = whole_until(bytes);
    if (good < bytes.size()) tears.push_back({number, good});
    if (tears.empty()) continue;
    const Tear* changed = nullptr;
    each_mark(bytes, tears.back().log == number ? good : 0, [&](const WalMark& m) {
      for (auto& t : tears)
        if (!changed && m.covers(t.log, t.at)) changed = &t;
    });
    if (changed) return fmt::format("{} is corrupt at byte {}", logs[changed->log].string(), changed->at);
  }
  return {};
}

}  // namespace sb::store::embedded
