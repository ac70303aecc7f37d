// SPDX-License-Identifier: MIT
#include "store/embedded_wal.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/crc.hpp>
#include <filesystem>
#include <fstream>
#include <vector>

namespace sb::store::embedded {
namespace {

// The format: blocks of 32 KiB, filled with records of [crc:4][length:2][type:1] and, for types from 5 on, [log:4] in
// front of the data. No record crosses a block. The crc is of everything behind the length.
constexpr std::size_t kBlock = 32 * 1024, kHeader = 7, kLogNumber = 4;
constexpr unsigned kLastShortType = 4, kLastType = 10;

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

/// Bytes of the whole record at `at`, 0 when there is none.
std::size_t record_at(const std::string& s, std::size_t at) {
  std::size_t end = std::min(s.size(), (at / kBlock + 1) * kBlock);
  if (at + kHeader > end) return 0;
  const char* p = s.data() + at;
  auto type = static_cast<unsigned char>(p[6]);
  if (type == 0 || type > kLastType) return 0;
  std::size_t covered = 1 + (type > kLastShortType ? kLogNumber : 0) + little(p + 4, 2);
  if (at + 6 + covered > end || masked_crc(p + 6, covered) != little(p, 4)) return 0;
  return 6 + covered;
}

bool record_behind(const std::string& s, std::size_t at) {
  // Byte by byte through this block and the next, since a length may be what changed; then where blocks begin.
  std::size_t near = std::min(s.size(), (at / kBlock + 2) * kBlock);
  for (std::size_t i = at + 1; i < near; ++i)
    if (record_at(s, i)) return true;
  for (std::size_t i = near; i < s.size(); i += kBlock)
    if (record_at(s, i)) return true;
  return false;
}

}  // namespace

WalState scan_wal(const std::string& s) {
  std::size_t at = 0;
  while (at < s.size()) {
    std::size_t left = kBlock - at % kBlock;
    if (left < kHeader) {
      at += left;
      continue;
    }
    std::size_t n = record_at(s, at);
    if (n == 0) return {at, record_behind(s, at)};
    at += n;
  }
  return {s.size(), false};
}

std::string find_corrupt_wal(const std::string& path) {
  std::error_code ignored;
  std::vector<std::filesystem::path> logs;
  for (std::filesystem::directory_iterator it(path, ignored), end; !ignored && it != end; it.increment(ignored))
    if (it->path().extension() == ".log") logs.push_back(it->path());
  std::sort(logs.begin(), logs.end());
  for (auto& file : logs) {
    if (std::filesystem::file_size(file, ignored) == 0 || ignored) continue;
    std::ifstream in(file, std::ios::binary);
    std::string bytes(static_cast<std::size_t>(std::filesystem::file_size(file, ignored)), '\0');
    in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    bytes.resize(static_cast<std::size_t>(in.gcount()));
    if (WalState state = scan_wal(bytes); state.corrupt)
      return fmt::format("{} is corrupt at byte {}", file.string(), state.good);
  }
  return {};
}

}  // namespace sb::store::embedded
