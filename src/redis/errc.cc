// SPDX-License-Identifier: MIT
#include "redis/errc.h"

#include <string>

namespace sb::redis {
namespace {

class Category final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "redis"; }
  std::string message(int value) const override {
    switch (static_cast<errc>(value)) {
      case errc::bad_url:
        return "not a URL of Redis";
      case errc::not_connected:
        return "not connected";
      case errc::pipeline_full:
        return "too much waits for replies";
      case errc::timed_out:
        return "no answer in time";
      case errc::connection_closed:
        return "Redis closed the connection";
      case errc::closed:
        return "the connection was ended here";
      case errc::protocol_error:
        return "what came is no reply of Redis";
      case errc::handshake_refused:
        return "Redis refused the connection";
      case errc::wrong_role:
        return "the server is not the primary";
      case errc::no_address:
        return "the host name has no address";
      case errc::no_primary:
        return "it is not known who is primary";
    }
    return "unknown error";
  }
};

}  // namespace

const boost::system::error_category& category() {
  static const Category c;
  return c;
}

}  // namespace sb::redis
