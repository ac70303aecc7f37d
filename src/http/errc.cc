// SPDX-License-Identifier: MIT
#include "http/errc.h"

namespace sb::http {
namespace {

class Category final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "http"; }
  std::string message(int value) const override {
    switch (static_cast<errc>(value)) {
      case errc::timeout:
        return "no answer in time";
      case errc::busy:
        return "too many requests wait";
      case errc::closed:
        return "given up";
      case errc::unexpected:
        return "not an answer to the request";
      case errc::bad_certificate:
        return "no certificates of authorities in the file";
    }
    return "HTTP error";
  }
};

}  // namespace

const boost::system::error_category& error_category() {
  static const Category category;
  return category;
}

}  // namespace sb::http
