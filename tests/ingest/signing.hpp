// Keys, certificates, envelopes and bundles for tests, made by OpenSSL when the test runs.
#pragma once

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>

#include "core/text.hpp"
#include "ingest/attestation.hpp"

namespace tidewaiter::ingest::testing {

inline std::string text_of_bio(BIO* bio) {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio, &bytes);
  std::string text(bytes, static_cast<std::size_t>(size));
  BIO_free(bio);
  return text;
}

class SigningKey {
 public:
  static SigningKey p256() { return SigningKey(EVP_EC_gen("P-256"), EVP_sha256()); }
  static SigningKey p384() { return SigningKey(EVP_EC_gen("P-384"), EVP_sha384()); }
  static SigningKey ed25519() { return SigningKey(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), nullptr); }
  static SigningKey rsa(unsigned bits = 2048) { return SigningKey(EVP_RSA_gen(bits), EVP_sha256()); }

  EVP_PKEY* get() const { return key_.get(); }
  std::string public_pem() const {
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PUBKEY(bio, get());
    return text_of_bio(bio);
  }
  std::string private_pem() const {
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, get(), nullptr, nullptr, 0, nullptr, nullptr);
    return text_of_bio(bio);
  }
  std::string sign(std::string_view message, bool pss = false) const {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    EVP_PKEY_CTX* options = nullptr;
    EVP_DigestSignInit(context, &options, digest_, nullptr, get());
    if (pss) EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING);
    const auto* bytes = reinterpret_cast<const unsigned char*>(message.data());
    std::size_t size = 0;
    EVP_DigestSign(context, nullptr, &size, bytes, message.size());
    std::string signature(size, '\0');
    EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size, bytes, message.size());
    EVP_MD_CTX_free(context);
    signature.resize(size);
    return signature;
  }

 private:
  SigningKey(EVP_PKEY* key, const EVP_MD* digest) : key_(key, EVP_PKEY_free), digest_(digest) {}
  std::shared_ptr<EVP_PKEY> key_;
  const EVP_MD* digest_;
};

struct CertificateWish {
  std::string name = "test";
  std::string identity;       // "URI:https://...", "email:..."; empty = none
  std::string usage = "codeSigning";
  std::int64_t from_s = 0, until_s = 0;
  bool is_authority = false;
};

/// `issuer` null: signed by itself.
class TestCertificate {
 public:
  TestCertificate(const SigningKey& key, const CertificateWish& wish, const TestCertificate* issuer = nullptr,
                  const SigningKey* issuer_key = nullptr)
      : certificate_(X509_new(), X509_free) {
    X509* made = certificate_.get();
    X509_set_version(made, 2);
    static long serial = 1;
    ASN1_INTEGER_set(X509_get_serialNumber(made), serial++);
    ASN1_TIME_set(X509_getm_notBefore(made), static_cast<time_t>(wish.from_s));
    ASN1_TIME_set(X509_getm_notAfter(made), static_cast<time_t>(wish.until_s));
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(wish.name.c_str()), -1, -1, 0);
    X509_set_issuer_name(made, X509_get_subject_name(issuer != nullptr ? issuer->certificate_.get() : made));
    X509_set_pubkey(made, key.get());
    if (wish.is_authority) add(NID_basic_constraints, "critical,CA:TRUE");
    if (!wish.is_authority && !wish.usage.empty()) add(NID_ext_key_usage, wish.usage);
    if (!wish.identity.empty()) add(NID_subject_alt_name, wish.identity);
    X509_sign(made, (issuer_key != nullptr ? *issuer_key : key).get(), EVP_sha256());
  }
  std::string pem() const {
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, certificate_.get());
    return text_of_bio(bio);
  }
  std::string der() const {
    BIO* bio = BIO_new(BIO_s_mem());
    i2d_X509_bio(bio, certificate_.get());
    return text_of_bio(bio);
  }

 private:
  void add(int kind, const std::string& value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str());
    X509_add_ext(certificate_.get(), extension, -1);
    X509_EXTENSION_free(extension);
  }
  std::shared_ptr<X509> certificate_;
};

inline constexpr std::string_view statement_type = "application/vnd.in-toto+json";

/// SLSA provenance 1 of one artifact.
inline std::string statement(std::string_view sha256, std::string_view builder = "https://ci.acme.example/runner") {
  return R"({"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"registry.acme.example/api","digest":{"sha256":")" +
         std::string(sha256) + R"("}}],"predicateType":"https://slsa.dev/provenance/v1","predicate":{"buildDefinition":)" +
         R"({"buildType":"https://acme.example/build"},"runDetails":{"builder":{"id":")" + std::string(builder) +
         R"("},"metadata":{"invocationId":"run/42","finishedOn":"2026-05-28T10:00:00Z"}}}})";
}

/// `signature` in place of the right one, if given.
inline std::string envelope_of(const std::string& payload, const SigningKey& key, std::string_view keyid = "",
                               const std::string* signature = nullptr) {
  const std::string made = signature != nullptr ? *signature : key.sign(dsse_pae(statement_type, payload));
  return R"({"payloadType":")" + std::string(statement_type) + R"(","payload":")" + to_base64(payload) +
         R"(","signatures":[{"keyid":")" + std::string(keyid) + R"(","sig":")" + to_base64(made) + R"("}]})";
}

/// A Sigstore bundle 0.3 with the signer's certificate and the time of its entry in a transparency log (0 = no entry).
inline std::string bundle_of(const std::string& content, const TestCertificate& signer, std::int64_t integrated_s) {
  const std::string entries =
      integrated_s == 0 ? ""
                        : R"(,"tlogEntries":[{"logIndex":"7","logId":{"keyId":"bG9n"},"integratedTime":")" +
                              std::to_string(integrated_s) + R"("}])";
  return R"({"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"certificate":{"rawBytes":")" +
         to_base64(signer.der()) + "\"}" + entries + "}," + content + "}";
}

}  // namespace tidewaiter::ingest::testing
