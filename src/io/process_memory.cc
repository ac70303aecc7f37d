// SPDX-License-Identifier: MIT
#include "io/process_memory.h"

#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/read_file.h"

namespace sb::io {
namespace {

const std::size_t kPage = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));

/// The number in a file of a control group; "max" and what cannot be read are no bound.
std::size_t bound_in(const std::string& path) {
  auto text = read_file(path);
  std::size_t n = 0;
  if (!text || std::from_chars(text->data(), text->data() + text->size(), n).ec != std::errc()) return SIZE_MAX;
  return n;
}

/// Line "0::/user.slice/x" of /proc/self/cgroup (version 2), "5:memory:/x" (version 1): the part behind the prefix.
std::string own_group(const std::string& groups, std::string_view controller) {
  for (std::size_t at = 0; at < groups.size();) {
    const std::size_t end = std::min(groups.find('\n', at), groups.size());
    const std::string_view line(groups.data() + at, end - at);
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (second != std::string_view::npos && line.substr(first + 1, second - first - 1) == controller)
      return std::string(line.substr(second + 1));
    at = end + 1;
  }
  return {};
}

/// The least bound of the group and those above it.
std::size_t group_bound(const std::string& root, const std::string& group, const std::string& file) {
  std::size_t least = bound_in(root + '/' + file);  // inside a container this is its own
  for (std::size_t end = group.size(); end != std::string::npos && end > 1; end = group.rfind('/', end - 1))
    least = std::min(least, bound_in(root + group.substr(0, end) + '/' + file));
  return least;
}

}  // namespace

ProcessMemory::ProcessMemory() : statm_(::open("/proc/self/statm", O_RDONLY | O_CLOEXEC)) {}

ProcessMemory::~ProcessMemory() {
  if (statm_ >= 0) ::close(statm_);
}

std::size_t ProcessMemory::resident() const {
  char text[128];
  const ssize_t n = ::pread(statm_, text, sizeof text - 1, 0);
  if (n <= 0) return 0;
  text[n] = 0;
  std::size_t size = 0, resident = 0, shared = 0;  // pages; shared: those of files
  if (std::sscanf(text, "%zu %zu %zu", &size, &resident, &shared) != 3 || shared > resident) return 0;
  return (resident - shared) * kPage;
}

void ProcessMemory::trim() { ::malloc_trim(0); }

std::size_t ProcessMemory::available() {
  std::size_t all = static_cast<std::size_t>(::sysconf(_SC_PHYS_PAGES)) * kPage;
  if (auto groups = read_file("/proc/self/cgroup")) {
    all = std::min(all, group_bound("/sys/fs/cgroup", own_group(*groups, ""), "memory.max"));
    all = std::min(all, group_bound("/sys/fs/cgroup/memory", own_group(*groups, "memory"), "memory.limit_in_bytes"));
  }
  return all;
}

}  // namespace sb::io
