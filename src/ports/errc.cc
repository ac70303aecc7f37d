// SPDX-License-Identifier: MIT
#include "ports/errc.h"

namespace sb::ports {
namespace {
struct Category final : boost::system::error_category {
  const char* name() const noexcept override { return "store"; }
  std::string message(int e) const override {
    switch (static_cast<errc>(e)) {
      case errc::stale_epoch:
        return "the session has another owner";
      case errc::no_session:
        return "no such session";
      case errc::no_log:
        return "no such log";
      case errc::quota:
        return "a bound of the store is reached";
      case errc::unavailable:
        return "the store is unavailable";
    }
    return "unknown store error";
  }
};
}  // namespace

const boost::system::error_category& error_category() {
  static const Category category;
  return category;
}

}  // namespace sb::ports
