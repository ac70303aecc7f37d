// SPDX-License-Identifier: MIT
#include "io/tls_keys.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <atomic>
#include <cassert>
#include <cstring>

namespace sb::io {
namespace {

const EVP_CIPHER* cipher_of(TlsSuite suite) {
  // Fetched once: an implicit fetch for each key would take longer than the key schedule.
  static const EVP_CIPHER* const ciphers[] = {EVP_CIPHER_fetch(nullptr, "AES-128-GCM", nullptr),
                                              EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr),
                                              EVP_CIPHER_fetch(nullptr, "ChaCha20-Poly1305", nullptr)};
  return ciphers[static_cast<std::size_t>(suite)];
}

std::size_t key_size(TlsSuite suite) { return suite == TlsSuite::aes_128_gcm ? 16 : 32; }
const EVP_MD* hash_of(TlsSuite suite) { return suite == TlsSuite::aes_256_gcm ? EVP_sha384() : EVP_sha256(); }
std::size_t hash_size(TlsSuite suite) { return suite == TlsSuite::aes_256_gcm ? 48 : 32; }

/// HKDF-Expand-Label(secret, label, "", size), for a size of at most one hash (RFC 8446 7.1). `out` may be `secret`.
void expand_label(TlsSuite suite, const unsigned char* secret, std::string_view label, unsigned char* out,
                  std::size_t size) {
  assert(size <= hash_size(suite));
  const std::string full_label = "tls13 " + std::string(label);
  std::string info = {0, static_cast<char>(size), static_cast<char>(full_label.size())};
  info += full_label;
  info += '\0';  // no context
  info += '\1';  // the first and only block of HKDF-Expand
  unsigned char block[EVP_MAX_MD_SIZE];
  HMAC(hash_of(suite), secret, static_cast<int>(hash_size(suite)), reinterpret_cast<const unsigned char*>(info.data()),
       info.size(), block, nullptr);
  std::memcpy(out, block, size);
  OPENSSL_cleanse(block, sizeof block);
}

/// Cipher contexts with their key schedules, for the keys that this thread used last: 1.2 KB each, which a connection
/// that is idle need not have. Ids count up, so the newest connections lie in slots of their own.
class ContextCache {
 public:
  static constexpr std::size_t kSlots = 128;  ///< per suite and direction; filled as they are used

  struct Slot {
    std::uint64_t id = 0;
    EVP_CIPHER_CTX* ctx = nullptr;
  };
  ~ContextCache() {
    for (auto& slot : slots_) EVP_CIPHER_CTX_free(slot.ctx);
  }
  Slot& slot(const TlsKeys& k) {
    return slots_[(static_cast<std::size_t>(k.suite) * 2 + k.encrypt) * kSlots + k.id % kSlots];
  }

 private:
  std::array<Slot, 3 * 2 * kSlots> slots_;
};
thread_local ContextCache cache;

std::uint64_t new_id() {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace

TlsTraffic::~TlsTraffic() {
  OPENSSL_cleanse(client_secret.data(), client_secret.size());
  OPENSSL_cleanse(server_secret.data(), server_secret.size());
}

TlsKeys::~TlsKeys() {
  forget();
  OPENSSL_cleanse(secret.data(), secret.size());
  OPENSSL_cleanse(key.data(), key.size());
}

/// The key goes, and so must what this thread's cache has of it. (A thread that had the connection before may keep a
/// copy until the slot is used again.)
void TlsKeys::forget() {
  auto& slot = cache.slot(*this);
  if (id == 0 || slot.id != id) return;
  EVP_CIPHER_CTX_free(slot.ctx);
  slot = {};
}

void TlsKeys::derive() {
  expand_label(suite, secret.data(), "key", key.data(), key_size(suite));
  expand_label(suite, secret.data(), "iv", iv.data(), iv.size());
  sequence = 0;
  id = new_id();
}

void TlsKeys::install(const std::string& traffic_secret) {
  traffic_secret.copy(reinterpret_cast<char*>(secret.data()), secret.size());
  derive();
}

void TlsKeys::next() {
  forget();
  expand_label(suite, secret.data(), "traffic upd", secret.data(), hash_size(suite));
  derive();
}

EVP_CIPHER_CTX* TlsKeys::context() {
  auto& slot = cache.slot(*this);
  if (slot.id == id) return slot.ctx;
  const bool fresh = slot.ctx == nullptr;
  if (fresh) slot.ctx = EVP_CIPHER_CTX_new();
  EVP_CipherInit_ex(slot.ctx, fresh ? cipher_of(suite) : nullptr, nullptr, key.data(), nullptr, encrypt);
  slot.id = id;
  return slot.ctx;
}

void install_v1_2(const TlsTraffic& t, TlsKeys& read, TlsKeys& write) {
  // key_block = PRF(master_secret, "key expansion", server_random + client_random)
  std::string seed = "key expansion" + t.server_random + t.client_random, master = t.client_secret;
  std::string hash = EVP_MD_get0_name(hash_of(t.suite));
  OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, hash.data(), 0),
                         OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, master.data(), master.size()),
                         OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, seed.data(), seed.size()),
                         OSSL_PARAM_construct_end()};
  // GCM takes 4 bytes of the nonce from here and 8 from the record (RFC 5288 3), ChaCha20 all 12 (RFC 7905 2).
  const std::size_t key = key_size(t.suite), iv = t.suite == TlsSuite::chacha20_poly1305 ? 12 : 4;
  unsigned char block[2 * (32 + 12)];
  static EVP_KDF* const prf = EVP_KDF_fetch(nullptr, "TLS1-PRF", nullptr);
  EVP_KDF_CTX* ctx = EVP_KDF_CTX_new(prf);
  EVP_KDF_derive(ctx, block, 2 * (key + iv), params);
  EVP_KDF_CTX_free(ctx);
  std::memcpy(read.key.data(), block, key);
  std::memcpy(write.key.data(), block + key, key);
  std::memcpy(read.iv.data(), block + 2 * key, iv);
  std::memcpy(write.iv.data(), block + 2 * key + iv, iv);
  read.id = new_id();
  write.id = new_id();
  OPENSSL_cleanse(block, sizeof block);
  OPENSSL_cleanse(master.data(), master.size());
}

}  // namespace sb::io
