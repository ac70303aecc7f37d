// SPDX-License-Identifier: MIT
#include "auth/scram.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/base64.h"
#include "base/utf8.h"

namespace sb::auth {
namespace {

using mqtt::Reason;

constexpr std::size_t kMaxMessage = 4096;  ///< bytes of an authentication message

/// "printable ASCII except comma" (RFC 5802 7)
bool valid_nonce(std::string_view s) {
  return !s.empty() && std::all_of(s.begin(), s.end(), [](char c) { return c >= 0x21 && c <= 0x7E && c != ','; });
}

class Exchange final : public ports::AuthExchange {
 public:
  Exchange(std::shared_ptr<const ScramUsers> users, std::string nonce)
      : users_(std::move(users)), nonce_(std::move(nonce)) {}

  Step step(std::string_view data) override {
    if (data.size() > kMaxMessage) return refuse(Reason::protocol_error);
    switch (state_) {
      case State::first:
        // Authentication Data is optional in CONNECT: an empty challenge asks for it (RFC 5802 5: client speaks first).
        if (data.empty() && !asked_) return asked_ = true, Step{Reason::continue_authentication, {}, {}};
        return client_first(data);
      case State::final:
        return client_final(data);
      case State::done:
        break;
    }
    return refuse(Reason::protocol_error);
  }

 private:
  enum class State { first, final, done };

  Step refuse(Reason reason) {
    state_ = State::done;
    return {reason, {}, {}};
  }

  /// gs2-header client-first-message-bare: `n,[a=authzid],n=name,r=nonce[,extensions]`
  Step client_first(std::string_view message) {
    // `y`: the client could bind to the channel and thinks that we cannot, which is so. `p`: it insists.
    if (!message.starts_with("n,") && !message.starts_with("y,")) return refuse(Reason::protocol_error);
    const std::size_t comma = message.find(',', 2);
    if (comma == std::string_view::npos) return refuse(Reason::protocol_error);
    gs2_header_ = message.substr(0, comma + 1);
    std::string_view authzid = message.substr(2, comma - 2), bare = message.substr(comma + 1), rest = bare;
    // `m=`: "indicates an extension that is mandatory": we know none, and it is no `n=` either.
    const auto name = take_attribute(rest, 'n'), nonce = take_attribute(rest, 'r');
    if (!name || !nonce || !valid_nonce(*nonce)) return refuse(Reason::protocol_error);
    auto plain = unescape_name(*name);
    if (!plain || plain->empty() || !is_mqtt_utf8(*plain)) return refuse(Reason::protocol_error);
    // To act as somebody else is not offered.
    if (!authzid.empty() && authzid != "a=" + std::string(*name)) {
      return refuse(authzid.starts_with("a=") ? Reason::not_authorized : Reason::protocol_error);
    }
    name_ = std::move(*plain);
    const ScramKeys* found = users_->find(name_);
    known_ = found != nullptr;
    keys_ = users_->fake(name_);  // in both cases, so that they take the same time
    if (found != nullptr) keys_ = *found;
    nonce_ = std::string(*nonce) + nonce_;
    std::string answer = fmt::format("r={},s={},i={}", nonce_, base64_encode(keys_.salt), keys_.iterations);
    auth_message_ = fmt::format("{},{},", bare, answer);
    state_ = State::final;
    return {Reason::continue_authentication, std::move(answer), {}};
  }

  /// `c=channel-binding,r=nonce[,extensions],p=proof`
  Step client_final(std::string_view message) {
    std::string_view rest = message;
    const auto binding = take_attribute(rest, 'c'), nonce = take_attribute(rest, 'r');
    const std::size_t last = message.rfind(",p=");
    if (!binding || !nonce || last == std::string_view::npos) return refuse(Reason::protocol_error);
    const auto proof = decode_secret(message.substr(last + 3));
    // The header again: a man in the middle may have changed it in the first message.
    if (!proof || *binding != base64_encode(gs2_header_) || *nonce != nonce_) return refuse(Reason::protocol_error);
    auth_message_ += message.substr(0, last);
    Secret key = *proof;
    key ^= hmac_sha256(keys_.stored_key.view(), auth_message_);
    const bool right = sha256(key.view()).equals(keys_.stored_key);
    const Secret signature = hmac_sha256(keys_.server_key.view(), auth_message_);
    if (!right || !known_) return refuse(Reason::bad_user_name_or_password);
    state_ = State::done;
    return {Reason::success, "v=" + base64_encode(signature.view()), name_};
  }

  std::shared_ptr<const ScramUsers> users_;
  State state_ = State::first;
  bool asked_ = false, known_ = false;
  std::string nonce_, name_, gs2_header_, auth_message_;
  ScramKeys keys_;
};

}  // namespace

std::unique_ptr<ports::AuthExchange> make_scram_exchange(std::shared_ptr<const ScramUsers> users, std::string nonce) {
  return std::make_unique<Exchange>(std::move(users), std::move(nonce));
}

std::unique_ptr<ports::AuthExchange> ScramAuthenticator::start(std::string_view method, const ports::Credentials&) {
  if (method != kScramMethod) return nullptr;
  return make_scram_exchange(users_.get(), scram_nonce());
}

ScramClient::ScramClient(std::string name, std::string password, std::string nonce)
    : name_(std::move(name)), password_(std::move(password)), nonce_(std::move(nonce)) {}

ScramClient::~ScramClient() { wipe(password_); }

std::string ScramClient::first() const { return fmt::format("n,,n={},r={}", escape_name(name_), nonce_); }

result<std::string> ScramClient::answer(std::string_view server_first) {
  std::string_view rest = server_first;
  const auto nonce = take_attribute(rest, 'r'), salt = take_attribute(rest, 's'), count = take_attribute(rest, 'i');
  if (!nonce || !salt || !count) return errc::bad_message;
  if (!valid_nonce(*nonce) || !nonce->starts_with(nonce_) || nonce->size() == nonce_.size()) return errc::wrong_nonce;
  const auto salt_bytes = base64_decode(*salt);
  if (!salt_bytes || salt_bytes->empty()) return errc::bad_message;
  if (count->empty() || count->size() > 8 || count->find_first_not_of("0123456789") != count->npos)
    return errc::bad_message;
  const auto iterations = static_cast<std::uint32_t>(std::stoul(std::string(*count)));
  // Too few would give the password away to whoever poses as the server; too many would keep us busy.
  if (iterations < kScramMinIterations || iterations > kScramMaxIterations) return errc::weak_parameters;

  const Secret salted = salted_password(password_, *salt_bytes, iterations);
  const std::string without_proof = fmt::format("c=biws,r={}", *nonce);
  const std::string auth_message = fmt::format("{},{},{}", first().substr(3), server_first, without_proof);
  Secret proof = client_key(salted);
  const Secret stored = sha256(proof.view());
  proof ^= hmac_sha256(stored.view(), auth_message);
  server_signature_ = hmac_sha256(server_key(salted).view(), auth_message);
  answered_ = true;
  return fmt::format("{},p={}", without_proof, base64_encode(proof.view()));
}

error_code ScramClient::verify(std::string_view server_final) const {
  if (server_final.starts_with("e=")) return errc::refused;
  std::string_view rest = server_final;
  const auto value = take_attribute(rest, 'v');
  if (!value || !answered_) return errc::bad_message;
  const auto signature = decode_secret(*value);
  return signature && signature->equals(server_signature_) ? error_code() : make_error_code(errc::server_unproven);
}

}  // namespace sb::auth
