// SPDX-License-Identifier: MIT
#include "auth/errc.h"

namespace sb::auth {
namespace {

class Category final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "auth"; }
  std::string message(int value) const override {
    switch (static_cast<errc>(value)) {
      case errc::file_unreadable:
        return "the file cannot be read";
      case errc::file_unwritable:
        return "the file cannot be written";
      case errc::file_format:
        return "the file has a line that is not understood";
      case errc::bad_message:
        return "malformed authentication message";
      case errc::wrong_nonce:
        return "the nonce is another exchange's";
      case errc::weak_parameters:
        return "the number of iterations is out of bounds";
      case errc::server_unproven:
        return "the server did not prove that it knows the user";
      case errc::refused:
        return "the server refused";
      case errc::bad_key:
        return "the key cannot be used";
    }
    return "authentication error";
  }
};

}  // namespace

const boost::system::error_category& error_category() {
  static const Category category;
  return category;
}

}  // namespace sb::auth
