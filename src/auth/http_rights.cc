// SPDX-License-Identifier: MIT
#include "auth/http_rights.h"

#include "auth/http_question.h"

namespace sb::auth {

using mqtt::Reason;

void HttpRights::ask(const ports::Subject& who, Done done) {
  HttpQuestion question;
  question.add("client_id", who.client_id);
  question.add("username", who.username.empty() ? std::nullopt : std::optional(who.username));
  back_end_->ask(question.take(), [done = std::move(done)](HttpBackEnd::Outcome o) {
    if (!o) return done({o.error(), nullptr, {}});
    if (o->result != HttpAnswer::Result::allow) return done({Reason::not_authorized, nullptr, {}});
    done({Reason::success, o->rights, o->good_for.value_or(Seconds(0))});
  });
}

}  // namespace sb::auth
