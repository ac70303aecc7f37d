// SPDX-License-Identifier: MIT
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "auth/certificate_map.h"
#include "auth/http_answer.h"
#include "auth/http_question.h"
#include "base/json.h"
#include "base/utf8.h"
#include "http/url.h"

// The answer of a back end; the same bytes as a URL, as a map of certificates with an identity for it, and as a
// password in a question.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sb;
  using namespace sb::auth;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  for (HttpAsked asked : {HttpAsked::login, HttpAsked::rights}) {
    std::string why;
    auto answer = parse_http_answer(asked, 200, input, why);
    if (!answer && why.empty()) std::abort();
    if (!answer || answer->result != HttpAnswer::Result::allow) continue;
    // Only an object that says so lets somebody in, and never without rights where they were asked for.
    if (asked == HttpAsked::rights && !answer->rights) std::abort();
    if (asked == HttpAsked::login && !input.empty() && input.find("allow") == input.npos &&
        input.find('\\') == input.npos)
      std::abort();
    if (answer->rights) {
      answer->rights->may_subscribe({"c", "u"}, "a/+/#");
      if (answer->rights->may_publish({"c", "u"}, "$SYS/x", false)) std::abort();
    }
  }
  std::string why;
  if (auto url = http::parse_url(input, why)) {
    std::string again;
    if (!http::parse_url(url->origin() + url->target, again)) std::abort();
    if (url->host_header().find_first_of("\r\n @/") != std::string::npos) std::abort();
  } else if (why.empty()) {
    std::abort();
  }
  why.clear();
  if (auto map = CertificateMap::parse(input, why)) {
    if ((*map)->user(input) && input.find("->") == input.npos) std::abort();
  } else if (why.empty()) {
    std::abort();
  }
  if (!is_mqtt_utf8(input)) return 0;
  HttpQuestion question;
  question.add("password", input);
  const auto back = parse_json(question.take(), 2);
  if (!back || std::string_view(back->at("password").as_string()) != input) std::abort();
  return 0;
}
