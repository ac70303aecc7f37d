// SPDX-License-Identifier: MIT
#include "app/bench_process.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

namespace sb::app {
namespace {

/// The fields of /proc/PID/stat from the third on; none when there is no such process.
std::vector<std::string> stat_of(int pid) {
  std::ifstream in(fmt::format("/proc/{}/stat", pid));
  std::string line;
  std::vector<std::string> fields;
  if (!std::getline(in, line)) return fields;
  std::istringstream rest(line.substr(line.rfind(')') + 1));  // the name may have spaces and brackets
  for (std::string f; rest >> f;) fields.push_back(f);
  return fields;
}

}  // namespace

bool process_exists(int pid) { return !stat_of(pid).empty(); }

ProcessUse use_of(const std::vector<int>& pids) {
  constexpr std::size_t user = 11, system = 12, pages = 21;  // fields 14, 15 and 24 of proc(5)
  ProcessUse sum;
  for (int pid : pids) {
    auto f = stat_of(pid);
    if (f.size() <= pages) continue;
    sum.cpu_seconds += (std::stod(f[user]) + std::stod(f[system])) / static_cast<double>(sysconf(_SC_CLK_TCK));
    sum.rss_bytes += std::stoull(f[pages]) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  }
  return sum;
}

double own_cpu_seconds() {
  rusage r{};
  getrusage(RUSAGE_SELF, &r);
  auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return seconds(r.ru_utime) + seconds(r.ru_stime);
}

}  // namespace sb::app
