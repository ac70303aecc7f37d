// SPDX-License-Identifier: MIT
#include "http/server_message.h"

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

namespace sb::http {

ServerResponse error_response(unsigned status, std::string_view why) {
  std::string shown(why);
  std::replace_if(
      shown.begin(), shown.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  ServerResponse r;
  r.status = status;
  r.body = boost::json::serialize(boost::json::object{{"error", shown}}) + '\n';
  return r;
}

}  // namespace sb::http
