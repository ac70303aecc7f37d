// SPDX-License-Identifier: MIT
#include "io/tls_records.h"

#include <openssl/evp.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace sb::io {
namespace {

constexpr std::size_t kHeader = 5, kTag = 16, kMaxPlain = 16384;
/// "up to 2^24.5 full-size records may be encrypted on a given connection" with AES-GCM (RFC 8446 5.5).
constexpr std::uint64_t kRecordsPerKey = 1u << 24;
constexpr char kKeyUpdate = 24, kWarning = 1, kFatal = 2;

unsigned char* bytes(char* s) { return reinterpret_cast<unsigned char*>(s); }
const unsigned char* bytes(const char* s) { return reinterpret_cast<const unsigned char*>(s); }

void put_big_endian(unsigned char* p, std::uint64_t v, std::size_t n) {
  for (std::size_t i = n; i-- > 0; v >>= 8) p[i] = static_cast<unsigned char>(v);
}

std::size_t body_size(std::string_view header) {
  return static_cast<std::size_t>(static_cast<unsigned char>(header[3]) << 8 | static_cast<unsigned char>(header[4]));
}

}  // namespace

TlsRecords::TlsRecords(const TlsTraffic& t)
    : max_fragment_(static_cast<std::uint16_t>(std::min(t.max_fragment, kMaxPlain))), version_(t.version) {
  read_.suite = write_.suite = t.suite;
  write_.encrypt = true;
  if (version_ == TlsVersion::v1_3) {
    read_.install(t.client_secret);
    write_.install(t.server_secret);
  } else {
    install_v1_2(t, read_, write_);
  }
  read_.sequence = t.client_sequence;
  write_.sequence = t.server_sequence;
}

/// The context for the next record, with its nonce and additional data.
EVP_CIPHER_CTX* TlsRecords::start(TlsKeys& keys, const char* explicit_part, Type type, const char* header,
                                  std::size_t plaintext_size) const {
  unsigned char sequence[8], nonce[12], data[13];
  put_big_endian(sequence, keys.sequence++, 8);
  std::memcpy(nonce, keys.iv.data(), 12);
  if (explicit_nonce() != 0) {
    std::memcpy(nonce + 4, explicit_part, 8);
  } else {
    for (std::size_t i = 0; i < 8; ++i) nonce[4 + i] ^= sequence[i];  // RFC 8446 5.3, RFC 7905 2
  }
  EVP_CIPHER_CTX* ctx = keys.context();
  EVP_CipherInit_ex(ctx, nullptr, nullptr, nullptr, nonce, -1);
  int n = 0;
  if (version_ == TlsVersion::v1_3) {
    EVP_CipherUpdate(ctx, nullptr, &n, bytes(header), kHeader);
  } else {
    std::memcpy(data, sequence, 8);  // RFC 5246 6.2.3.3
    data[8] = static_cast<unsigned char>(type);
    data[9] = data[10] = 3;
    put_big_endian(data + 11, plaintext_size, 2);
    EVP_CipherUpdate(ctx, nullptr, &n, data, sizeof data);
  }
  return ctx;
}

// ---- out

void TlsRecords::seal(Type type, std::string_view plaintext, TlsOutput out) {
  static thread_local std::array<char, kHeader + 8 + kMaxPlain + 1 + kTag> record;
  const bool v1_3 = version_ == TlsVersion::v1_3;
  const std::size_t body = explicit_nonce() + plaintext.size() + (v1_3 ? 1 : 0) + kTag;
  char* p = record.data();
  p[0] = static_cast<char>(v1_3 ? Type::application_data : type);
  p[1] = p[2] = 3;
  put_big_endian(bytes(p + 3), body, 2);
  p += kHeader;
  if (explicit_nonce() != 0) put_big_endian(bytes(p), write_.sequence, 8);  // never twice: it is the record's number
  EVP_CIPHER_CTX* ctx = start(write_, p, type, record.data(), plaintext.size());
  p += explicit_nonce();
  int n = 0;
  EVP_CipherUpdate(ctx, bytes(p), &n, bytes(plaintext.data()), static_cast<int>(plaintext.size()));
  p += n;
  if (v1_3) {
    const auto inner = static_cast<unsigned char>(type);
    EVP_CipherUpdate(ctx, bytes(p), &n, &inner, 1);
    p += n;
  }
  EVP_CipherFinal_ex(ctx, bytes(p), &n);
  EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, kTag, p);
  out.emit(out.to, record.data(), kHeader + body);
}

void TlsRecords::write(std::string_view plaintext, TlsOutput out) {
  while (!plaintext.empty() && !closed_) {
    if (version_ == TlsVersion::v1_3 && write_.sequence >= kRecordsPerKey) {
      const char update[] = {kKeyUpdate, 0, 0, 1, 0};
      seal(Type::handshake, {update, sizeof update}, out);
      write_.next();
    }
    const std::string_view part = plaintext.substr(0, max_fragment_);
    seal(Type::application_data, part, out);
    plaintext.remove_prefix(part.size());
  }
}

void TlsRecords::close(TlsOutput out) {
  if (closed_) return;
  const char notify[] = {kWarning, static_cast<char>(Alert::close_notify)};
  seal(Type::alert, {notify, sizeof notify}, out);
  closed_ = true;
}

// ---- in

TlsRecords::Wrong TlsRecords::check_header(std::string_view header) const {
  const auto type = static_cast<Type>(header[0]);
  const bool v1_3 = version_ == TlsVersion::v1_3;
  const bool known = v1_3 ? type == Type::application_data : type >= Type::alert && type <= Type::application_data;
  if (!known) return {Alert::unexpected_message, "unexpected record"};
  if (!v1_3 && (header[1] != 3 || header[2] != 3)) return {Alert::decode_error, "record of another version"};
  // RFC 8446 5.2, RFC 5246 6.2.3
  if (body_size(header) > kMaxPlain + (v1_3 ? 256 : 2048)) return {Alert::record_overflow, "record too long"};
  if (body_size(header) < explicit_nonce() + kTag) return {Alert::bad_record_mac, "record too short"};
  return {};
}

std::string_view TlsRecords::next_record(std::string_view& input, Wrong& wrong) {
  if (!partial_ && input.size() >= kHeader) {
    wrong = check_header(input);
    const std::size_t size = kHeader + body_size(input);
    if (wrong.detail != nullptr) return {};
    if (input.size() >= size) {
      const std::string_view record = input.substr(0, size);
      input.remove_prefix(size);
      return record;
    }
  }
  if (input.empty()) return {};
  if (!partial_) partial_ = std::make_unique<std::string>();
  auto fill = [&](std::size_t size) {
    const std::size_t take = std::min(input.size(), size - partial_->size());
    *partial_ += input.substr(0, take);
    input.remove_prefix(take);
    return partial_->size() == size;
  };
  if (partial_->size() < kHeader) {
    if (!fill(kHeader)) return {};
    wrong = check_header(*partial_);
    if (wrong.detail != nullptr) return {};
  }
  return fill(kHeader + body_size(*partial_)) ? std::string_view(*partial_) : std::string_view();
}

TlsRecords::Wrong TlsRecords::open(std::string_view record, char* to, std::size_t& size, Type& type) {
  std::string_view body = record.substr(kHeader);
  const char* explicit_part = body.data();
  body.remove_prefix(explicit_nonce());
  size = body.size() - kTag;
  type = static_cast<Type>(record[0]);
  EVP_CIPHER_CTX* ctx = start(read_, explicit_part, type, record.data(), size);
  EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, kTag, const_cast<char*>(body.data() + size));
  int n = 0;
  unsigned char none[16];
  if (size != 0) EVP_CipherUpdate(ctx, bytes(to), &n, bytes(body.data()), static_cast<int>(size));
  if (EVP_CipherFinal_ex(ctx, none, &n) != 1) return {Alert::bad_record_mac, "decryption failed or bad record mac"};
  if (version_ == TlsVersion::v1_3) {
    // The type is behind the content, then comes padding (RFC 8446 5.2).
    while (size != 0 && to[size - 1] == 0) --size;
    if (size == 0) return {Alert::unexpected_message, "record without a type"};
    type = static_cast<Type>(to[--size]);
  }
  if (size > kMaxPlain) return {Alert::record_overflow, "record too long"};
  return {};
}

TlsRecords::Wrong TlsRecords::take_handshake(std::string_view content, TlsOutput out) {
  if (version_ == TlsVersion::v1_2) return {Alert::unexpected_message, "renegotiation"};
  // "Implementations MUST verify that all messages immediately preceding a key change align with a record boundary"
  // (5.1).
  const bool update = content.size() == 5 && content.substr(0, 4) == std::string_view("\x18\0\0\1", 4);
  const char request = update ? content[4] : 2;
  if (request != 0 && request != 1) return {Alert::unexpected_message, "unexpected handshake message"};
  read_.next();
  if (request == 1 && !closed_) {
    // "then the receiver MUST send a KeyUpdate of its own with request_update set to update_not_requested" (4.6.3).
    const char answer[] = {kKeyUpdate, 0, 0, 1, 0};
    seal(Type::handshake, {answer, sizeof answer}, out);
    write_.next();
  }
  return {};
}

TlsStatus TlsRecords::read(std::string_view& input, char* to, std::size_t capacity, std::size_t& n, TlsOutput out,
                           TlsFailure& why) {
  n = 0;
  if (plain_) {
    n = plain_->copy(to, capacity, plain_at_);
    plain_at_ += static_cast<std::uint32_t>(n);
    if (plain_at_ == plain_->size()) plain_.reset();
    return TlsStatus::ok;
  }
  Wrong wrong{};
  while (!peer_closed_) {
    const std::string_view record = next_record(input, wrong);
    if (record.empty() && wrong.detail == nullptr) return TlsStatus::want_input;
    std::size_t size = 0;
    Type type = Type::application_data;
    std::unique_ptr<std::string> spill;
    char* target = to;
    if (wrong.detail == nullptr) {
      if (record.size() - kHeader > capacity) {
        spill = std::make_unique<std::string>(record.size() - kHeader, '\0');
        target = spill->data();
      }
      wrong = open(record, target, size, type);
      partial_.reset();
    }
    if (wrong.detail == nullptr && type == Type::application_data) {
      if (size == 0) continue;
      if (!spill) return n = size, TlsStatus::ok;
      spill->resize(size);
      plain_ = std::move(spill);
      plain_at_ = 0;
      return read(input, to, capacity, n, out, why);
    }
    const std::string_view content(target, size);
    if (wrong.detail == nullptr && type == Type::handshake) {
      wrong = take_handshake(content, out);
    } else if (wrong.detail == nullptr && type == Type::alert && size == 2) {
      const auto alert = static_cast<Alert>(content[1]);
      const bool harmless = alert == Alert::user_canceled || (version_ == TlsVersion::v1_2 && content[0] == kWarning);
      peer_closed_ = alert == Alert::close_notify;
      if (peer_closed_ || harmless) continue;
      closed_ = true;
      why = {tls_errc::alert, SSL_alert_desc_string_long(static_cast<unsigned char>(content[1]))};
      return TlsStatus::failed;
    } else if (wrong.detail == nullptr) {
      wrong = {Alert::unexpected_message, "unexpected record"};
    }
    if (wrong.detail == nullptr) continue;
    const char alert[] = {kFatal, static_cast<char>(wrong.alert)};
    seal(Type::alert, {alert, sizeof alert}, out);
    closed_ = true;
    why = {tls_errc::protocol, wrong.detail};
    return TlsStatus::failed;
  }
  return TlsStatus::closed;
}

}  // namespace sb::io
