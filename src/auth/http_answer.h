// SPDX-License-Identifier: MIT
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "auth/rights_document.h"
#include "base/time.h"

namespace sb::auth {

/// What an HTTP back end says of a client.
struct HttpAnswer {
  enum class Result { allow, deny, ignore };
  Result result = Result::deny;
  std::string username;             ///< in place of the one that was shown; "" = that one
  DocumentRights::Ptr rights;       ///< null: the answer has none
  std::optional<Seconds> ends;      ///< the connection, after so long
  std::optional<Seconds> good_for;  ///< the answer itself
};

/// What was asked: whether a client may come in, or what it may do.
enum class HttpAsked { login, rights };

/// The answer, or nothing when it is none: then `why` says so, for the log, without a word of the body.
///
/// | status   | body                     |                                                                       |
/// |----------|--------------------------|-----------------------------------------------------------------------|
/// | 200      | a JSON object, see below | as it says                                                            |
/// | 200, 204 | empty                    | allow; no answer where rights were asked for                          |
/// | 401, 403 | not looked at            | deny                                                                  |
/// | others   |                          | no answer                                                             |
///
///   "result": "allow", "deny" or "ignore"    needed, but where rights are asked for: there it is "allow", and never
///                                            "ignore"
///   "username": "ada"                        of which the rights are
///   "acl": {"pub": [...], "sub": [...], "all": [...]}   see DocumentRights
///   "superuser": true                        everything is allowed, whatever `acl` says
///   "expires_in": 3600                       seconds from now, then the connection ends
///   "ttl": 60                                seconds, how long this answer holds; 0 = it is not remembered
/// Other members are left alone. One of these that is not of its type makes it no answer: what cannot be understood
/// lets nobody in.
std::optional<HttpAnswer> parse_http_answer(HttpAsked asked, unsigned status, std::string_view body, std::string& why);

}  // namespace sb::auth
