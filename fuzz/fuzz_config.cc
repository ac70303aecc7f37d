// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "config/load.h"
#include "config/print.h"
#include "config/reload.h"

// A configuration file, then up to 8 lines after a line "%": "SIGNALBOX_…=value" goes to the environment, anything else
// to --set. What loads without errors is printed, and what is printed must load to the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sb::config;
  std::string_view text(reinterpret_cast<const char*>(data), size), rest;
  if (auto mark = text.find("\n%\n"); mark != std::string_view::npos) {
    rest = text.substr(mark + 3);
    text = text.substr(0, mark + 1);
  }
  Variables environment;
  std::vector<std::string> sets;
  for (int i = 0; i < 8 && !rest.empty(); ++i) {
    auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    auto equals = line.find('=');
    if (line.starts_with("SIGNALBOX_") && equals != std::string_view::npos) {
      environment.emplace_back(line.substr(0, equals), line.substr(equals + 1));
    } else {
      sets.emplace_back(line);
    }
  }
  Loaded loaded = load_text(text, "fuzz.toml", environment, sets);
  std::string errors = loaded.error_text();
  if (loaded.ok() != errors.empty()) std::abort();
  std::string json = print_json(loaded), toml = print_effective(loaded);
  if (!loaded.ok()) return 0;
  Loaded again = load_text(toml, "printed.toml");
  if (!again.ok() || !diff(loaded.config, again.config).empty()) std::abort();
  return 0;
}
