// SPDX-License-Identifier: MIT
#include "base/read_file.h"

#include <cerrno>
#include <cstdio>
#include <memory>

namespace sb {

result<std::string> read_file(const std::string& path) {
  std::unique_ptr<FILE, int (*)(FILE*)> f(std::fopen(path.c_str(), "re"), std::fclose);
  std::string text;
  if (f) {
    char buffer[8192];
    for (std::size_t n; (n = std::fread(buffer, 1, sizeof buffer, f.get())) > 0;) text.append(buffer, n);
  }
  if (!f || std::ferror(f.get())) return error_code(errno, boost::system::system_category());
  return text;
}

}  // namespace sb
