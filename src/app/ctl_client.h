// SPDX-License-Identifier: MIT
#pragma once
#include <boost/json/object.hpp>
#include <memory>
#include <string>

#include "http/client.h"

namespace sb::app {

/// What the commands of `signalbox ctl` have in common.
struct CtlOptions {
  std::string url = "http://127.0.0.1:18083";
  std::string token_file;  ///< "" = no token
  std::string ca_file;     ///< "" = whom the system trusts
  bool json = false;
};

/// Asks the API of a broker (docs/ctl.md), one request after the other.
class CtlClient {
 public:
  /// Null when the options are wrong; then `why` says what is.
  static std::unique_ptr<CtlClient> make(const CtlOptions& options, std::string& why);

  struct Answer {
    unsigned status = 0;       ///< 0: there was none
    boost::json::object json;  ///< with status 200
    std::string why;           ///< with any other
    bool good() const { return status == 200; }
  };
  /// Waits for the answer, some seconds at most. `target`: path and query.
  Answer ask(const std::string& method, const std::string& target);

 private:
  CtlClient() = default;
  std::string url_, prefix_, authorization_;
  http::ControlThread thread_;
  std::unique_ptr<http::Client> client_;
};

}  // namespace sb::app
