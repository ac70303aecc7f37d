// SPDX-License-Identifier: MIT
#pragma once
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include <filesystem>
#include <string>
#include <vector>

namespace sb::io::testing {

/// A certificate authority of a test, which writes certificates and keys as PEM files into a directory of its
/// own.
class TestCa {
 public:
  struct Subject {
    std::vector<std::string> common_names = {"localhost"};
    std::string alternative_names;                          ///< OpenSSL's syntax: "DNS:a.example.org,IP:127.0.0.1"
    long valid_from = -3600, valid_until = 90 * 24 * 3600;  ///< seconds from now
  };
  struct Files {
    std::string cert, key;
  };

  explicit TestCa(const std::string& name = "Test CA") {
    char path[] = "/tmp/signalbox-certs-XXXXXX";
    dir_ = mkdtemp(path);
    key_ = EVP_EC_gen("P-256");
    cert_ = make({.common_names = {name}}, key_, nullptr, "critical,CA:TRUE");
    write_cert(file(), cert_);
  }
  ~TestCa() {
    X509_free(cert_);
    EVP_PKEY_free(key_);
    std::filesystem::remove_all(dir_);
  }
  TestCa(const TestCa&) = delete;
  TestCa& operator=(const TestCa&) = delete;

  std::string file() const { return dir_ + "/ca.pem"; }
  const std::string& directory() const { return dir_; }

  /// Writes NAME.pem and NAME.key; the key is encrypted when there is a password.
  Files issue(const std::string& name, const Subject& subject, const std::string& password = {}) {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* cert = make(subject, key, cert_, "critical,CA:FALSE");
    Files files{dir_ + "/" + name + ".pem", dir_ + "/" + name + ".key"};
    write_cert(files.cert, cert);
    FILE* f = fopen(files.key.c_str(), "w");
    PEM_write_PrivateKey(f, key, password.empty() ? nullptr : EVP_aes_128_cbc(),
                         reinterpret_cast<const unsigned char*>(password.data()), static_cast<int>(password.size()),
                         nullptr, nullptr);
    fclose(f);
    X509_free(cert);
    EVP_PKEY_free(key);
    return files;
  }

 private:
  static void write_cert(const std::string& file, X509* cert) {
    FILE* f = fopen(file.c_str(), "w");
    PEM_write_X509(f, cert);
    fclose(f);
  }

  X509* make(const Subject& subject, EVP_PKEY* key, X509* issuer, const char* constraints) {
    X509* cert = X509_new();
    X509_set_version(cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial_);
    X509_gmtime_adj(X509_getm_notBefore(cert), subject.valid_from);
    X509_gmtime_adj(X509_getm_notAfter(cert), subject.valid_until);
    X509_set_pubkey(cert, key);
    X509_NAME* name = X509_get_subject_name(cert);
    auto add = [name](const char* field, const std::string& text) {
      X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(text.data()),
                                 static_cast<int>(text.size()), -1, 0);
    };
    add("O", "Example Ü");
    for (const auto& cn : subject.common_names) add("CN", cn);
    X509_set_issuer_name(cert, issuer != nullptr ? X509_get_subject_name(issuer) : name);
    auto extend = [&](int nid, const char* value) {
      X509V3_CTX context;
      X509V3_set_ctx(&context, issuer != nullptr ? issuer : cert, cert, nullptr, nullptr, 0);
      X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
      X509_add_ext(cert, extension, -1);
      X509_EXTENSION_free(extension);
    };
    extend(NID_basic_constraints, constraints);
    if (!subject.alternative_names.empty()) extend(NID_subject_alt_name, subject.alternative_names.c_str());
    X509_sign(cert, key_, EVP_sha256());
    return cert;
  }

  std::string dir_;
  EVP_PKEY* key_ = nullptr;
  X509* cert_ = nullptr;
  long serial_ = 0;
};

}  // namespace sb::io::testing
