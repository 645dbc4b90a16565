#include "ingest/trust.hpp"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/check.hpp"
#include "core/sha256.hpp"
#include "core/text.hpp"

namespace tidewaiter::ingest {
namespace {

constexpr int rsa_bits_min = 2048;
constexpr std::size_t chain_max = 8;  // certificates that are looked at

template <class T, void (*free)(T*)>
struct Free {
  void operator()(T* object) const { free(object); }
};
using Bio = std::unique_ptr<BIO, Free<BIO, BIO_free_all>>;
using Certificate = std::unique_ptr<X509, Free<X509, X509_free>>;
using KeyPointer = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY, EVP_PKEY_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Free<EVP_PKEY_CTX, EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Free<EVP_MD_CTX, EVP_MD_CTX_free>>;
using StoreContext = std::unique_ptr<X509_STORE_CTX, Free<X509_STORE_CTX, X509_STORE_CTX_free>>;

/// Failures are answers here: the queue of the thread must not keep them for somebody else.
struct NoErrors {
  ~NoErrors() { ERR_clear_error(); }
};

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

Bio memory_bio(std::string_view text) {
  return Bio(text.empty() ? BIO_new(BIO_s_mem()) : BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

EVP_PKEY* as_key(const std::shared_ptr<void>& key) { return static_cast<EVP_PKEY*>(key.get()); }

std::string public_key_der(EVP_PKEY* key) {
  unsigned char* out = nullptr;
  const int size = i2d_PUBKEY(key, &out);
  std::string der(reinterpret_cast<const char*>(out), static_cast<std::size_t>(std::max(size, 0)));
  OPENSSL_free(out);
  return der;
}

/// Why a key is not used; empty when it is.
std::string refusal(EVP_PKEY* key) {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_ED25519: return {};
    case EVP_PKEY_RSA:
      if (EVP_PKEY_get_bits(key) >= rsa_bits_min) return {};
      return "an RSA key of " + std::to_string(EVP_PKEY_get_bits(key)) + " bits is too weak: at least 2048 are needed";
    case EVP_PKEY_EC: {
      char name[64] = {};
      EVP_PKEY_get_group_name(key, name, sizeof name, nullptr);
      const std::string_view curve = name;
      if (curve == "prime256v1" || curve == "secp384r1" || curve == "secp521r1") return {};
      return "the curve " + std::string(curve) + " is not supported; use P-256, P-384, P-521, Ed25519 or RSA";
    }
    default: return "this kind of key is not supported; use ECDSA (P-256, P-384, P-521), Ed25519 or RSA";
  }
}

bool check_message(EVP_PKEY* key, const EVP_MD* digest, bool pss, std::string_view signature, std::string_view message) {
  const DigestContext context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* options = nullptr;
  if (EVP_DigestVerifyInit(context.get(), &options, digest, nullptr, key) != 1) return false;
  if (pss && EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) != 1) return false;
  return EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(message), message.size()) == 1;
}

bool check_digest(EVP_PKEY* key, bool pss, std::string_view signature, std::string_view digest) {
  const KeyContext context(EVP_PKEY_CTX_new(key, nullptr));
  if (!context || EVP_PKEY_verify_init(context.get()) != 1) return false;
  if (pss && EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PSS_PADDING) != 1) return false;
  if (EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256()) != 1) return false;
  return EVP_PKEY_verify(context.get(), bytes_of(signature), signature.size(), bytes_of(digest), digest.size()) == 1;
}

/// r and s side by side, as the DSSE specification's example has them, as the DER that OpenSSL wants; else empty.
std::string der_of_raw(EVP_PKEY* key, std::string_view raw) {
  const auto half = static_cast<std::size_t>((EVP_PKEY_get_bits(key) + 7) / 8);
  if (raw.size() != 2 * half) return {};
  const std::unique_ptr<ECDSA_SIG, Free<ECDSA_SIG, ECDSA_SIG_free>> signature(ECDSA_SIG_new());
  BIGNUM* r = BN_bin2bn(bytes_of(raw), static_cast<int>(half), nullptr);
  BIGNUM* s = BN_bin2bn(bytes_of(raw) + half, static_cast<int>(half), nullptr);
  ECDSA_SIG_set0(signature.get(), r, s);
  unsigned char* out = nullptr;
  const int size = i2d_ECDSA_SIG(signature.get(), &out);
  std::string der(reinterpret_cast<const char*>(out), static_cast<std::size_t>(std::max(size, 0)));
  OPENSSL_free(out);
  return der;
}

/// The digest that goes with a curve, then SHA-256: both are in use on the larger ones.
bool check_ecdsa(EVP_PKEY* key, std::string_view signature, std::string_view message) {
  const int bits = EVP_PKEY_get_bits(key);
  if (bits > 256 && check_message(key, bits > 384 ? EVP_sha512() : EVP_sha384(), false, signature, message)) return true;
  return check_message(key, EVP_sha256(), false, signature, message);
}

bool made_in_der(EVP_PKEY* key, std::string_view signature, const SignedBytes& what) {
  const NoErrors no_errors;
  if (!refusal(key).empty() || signature.empty()) return false;
  const int kind = EVP_PKEY_get_base_id(key);
  if (kind == EVP_PKEY_ED25519) return !what.is_digest && check_message(key, nullptr, false, signature, what.bytes);
  if (what.is_digest)
    return check_digest(key, false, signature, what.bytes) ||
           (kind == EVP_PKEY_RSA && check_digest(key, true, signature, what.bytes));
  if (kind == EVP_PKEY_EC) return check_ecdsa(key, signature, what.bytes);
  return check_message(key, EVP_sha256(), false, signature, what.bytes) ||
         check_message(key, EVP_sha256(), true, signature, what.bytes);
}

bool made_by(EVP_PKEY* key, std::string_view signature, const SignedBytes& what) {
  if (made_in_der(key, signature, what)) return true;
  if (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC) return false;
  const std::string der = der_of_raw(key, signature);
  return !der.empty() && made_in_der(key, der, what);
}

Certificate certificate_of(std::string_view der) {
  const unsigned char* at = bytes_of(der);
  return Certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
}

/// May this certificate sign things? One that says what it is for must say code signing; a server's does not.
bool may_sign(X509* certificate) {
  const std::uint32_t usage = X509_get_extended_key_usage(certificate);
  return usage == UINT32_MAX || (usage & XKU_CODE_SIGN) != 0;
}

std::vector<std::string> identities_of(X509* certificate) {
  std::vector<std::string> found;
  auto* names = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_URI && name->type != GEN_EMAIL && name->type != GEN_DNS) continue;
    const ASN1_IA5STRING* text = name->d.ia5;
    found.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                       static_cast<std::size_t>(ASN1_STRING_length(text)));
  }
  GENERAL_NAMES_free(names);
  return found;
}

bool leads_to(X509_STORE* store, X509* signer, STACK_OF(X509) * others, bool at_a_time, std::int64_t time_ns) {
  const StoreContext context(X509_STORE_CTX_new());
  if (!context || X509_STORE_CTX_init(context.get(), store, signer, others) != 1) return false;
  X509_VERIFY_PARAM* param = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN | (at_a_time ? 0ul : X509_V_FLAG_NO_CHECK_TIME));
  if (at_a_time) X509_VERIFY_PARAM_set_time(param, static_cast<time_t>(time_ns / 1'000'000'000));
  return X509_verify_cert(context.get()) == 1;
}

Result<std::vector<Certificate>> read_certificates(std::string_view pem) {
  const NoErrors no_errors;
  const Bio bio = memory_bio(pem);
  std::vector<Certificate> found;
  while (Certificate one{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) found.push_back(std::move(one));
  if (!found.empty()) return found;
  const bool is_key = pem.find("PUBLIC KEY-----") != std::string_view::npos;
  return fail(Code::invalid_argument, is_key ? "holds a public key, no certificate: give it as public_key_file of a key"
                                             : "holds no certificate in PEM form (-----BEGIN CERTIFICATE-----); make one "
                                               "of a DER file with: openssl x509 -inform DER -in FILE");
}

}  // namespace

std::string to_json(const TrustOptions& options) {
  nlohmann::json json = {{"keys", nlohmann::json::array()}, {"roots", nlohmann::json::array()}};
  for (const TrustedKey& key : options.keys) json["keys"].push_back({{"name", key.name}, {"pem", key.pem}});
  for (const TrustedRoot& root : options.roots)
    json["roots"].push_back({{"name", root.name}, {"pem", root.pem}, {"identities", root.identities}});
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Result<TrustOptions> trust_from_json(std::string_view text) {
  TrustOptions options;
  try {
    const auto json = nlohmann::json::parse(text);
    for (const auto& key : json.at("keys")) options.keys.push_back({key.at("name"), key.at("pem")});
    for (const auto& root : json.at("roots"))
      options.roots.push_back({root.at("name"), root.at("pem"), root.at("identities")});
  } catch (const nlohmann::json::exception& error) {
    return fail(Code::invalid_argument, std::string("keys of attestations: ") + error.what());
  }
  return options;
}

Result<PublicKey> PublicKey::from_pem(std::string_view pem) {
  const NoErrors no_errors;
  if (pem.find("PRIVATE KEY-----") != std::string_view::npos)
    return fail(Code::invalid_argument, "holds a private key, which has no business here; write the public one with: "
                                        "openssl pkey -in FILE -pubout");
  if (pem.find("-----BEGIN CERTIFICATE-----") != std::string_view::npos)
    return fail(Code::invalid_argument, "holds a certificate: give it as certificate_file of a root, or write its key with: "
                                        "openssl x509 -in FILE -noout -pubkey");
  const Bio bio = memory_bio(pem);
  KeyPointer key(PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr));
  if (!key)
    return fail(Code::invalid_argument, "holds no public key in PEM form (-----BEGIN PUBLIC KEY-----); make one of a DER "
                                        "file with: openssl pkey -pubin -inform DER -in FILE");
  if (std::string why = refusal(key.get()); !why.empty()) return fail(Code::invalid_argument, std::move(why));
  PublicKey made;
  const Hash hash = sha256(public_key_der(key.get()));
  made.hex_ = to_hex(as_view(hash));
  made.base64_ = to_base64(as_view(hash));
  made.key_ = {key.release(), [](void* one) { EVP_PKEY_free(static_cast<EVP_PKEY*>(one)); }};
  return made;
}

bool PublicKey::made(std::string_view signature, const SignedBytes& what) const {
  return made_by(as_key(key_), signature, what);
}

bool PublicKey::is_called(std::string_view hint) const {
  for (const std::string_view start : {"SHA256:", "sha256:"})
    if (hint.starts_with(start)) hint.remove_prefix(start.size());
  while (hint.ends_with('=')) hint.remove_suffix(1);
  return hint == hex_ || hint == std::string_view(base64_).substr(0, base64_.find('='));
}

Result<CertificateChain> certificates_of_pem(std::string_view pem) {
  TRY_ASSIGN(const auto certificates, read_certificates(pem));
  CertificateChain chain;
  for (const Certificate& one : certificates) {
    unsigned char* out = nullptr;
    const int size = i2d_X509(one.get(), &out);
    chain.emplace_back(reinterpret_cast<const char*>(out), static_cast<std::size_t>(std::max(size, 0)));
    OPENSSL_free(out);
  }
  return chain;
}

Result<std::shared_ptr<const Trust>> Trust::create(const TrustOptions& options) {
  auto trust = std::make_shared<Trust>();
  for (const TrustedKey& key : options.keys) {
    auto read = PublicKey::from_pem(key.pem);
    if (!read) return fail(read.error().code, "attestation key '" + key.name + "' " + read.error().message);
    trust->keys_.emplace_back(key.name, std::move(*read));
  }
  for (const TrustedRoot& root : options.roots) {
    auto certificates = read_certificates(root.pem);
    if (!certificates) return fail(certificates.error().code, "attestation root '" + root.name + "' " + certificates.error().message);
    X509_STORE* store = X509_STORE_new();
    CHECK(store != nullptr);
    Root made{{store, [](void* one) { X509_STORE_free(static_cast<X509_STORE*>(one)); }}, {}};
    for (const Certificate& one : *certificates) X509_STORE_add_cert(store, one.get());
    for (const std::string& identity : root.identities) made.identities.push_back(Pattern::of(identity));
    trust->roots_.push_back(std::move(made));
  }
  return std::shared_ptr<const Trust>(std::move(trust));
}

Trust::KeyVerdict Trust::by_key(std::string_view hint, std::string_view signature, const SignedBytes& what) const {
  bool at_hand = hint.empty() && !keys_.empty();
  for (const auto& [name, key] : keys_) {
    if (key.made(signature, what)) return KeyVerdict::verified;
    at_hand = at_hand || hint == name || key.is_called(hint);
  }
  return at_hand ? KeyVerdict::broken : KeyVerdict::unknown;
}

Trust::ByChain Trust::by_chain(const CertificateChain& chain, std::string_view signature, const SignedBytes& what,
                               std::int64_t time_ns) const {
  const NoErrors no_errors;
  const Certificate signer = certificate_of(chain.front());
  EVP_PKEY* key = signer ? X509_get0_pubkey(signer.get()) : nullptr;
  if (key == nullptr || !made_by(key, signature, what)) {
    // Of a digest alone Ed25519 proves nothing either way.
    const bool no_way = key != nullptr && what.is_digest && EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519;
    return {no_way ? ChainVerdict::unknown : ChainVerdict::broken, {}};
  }
  if (!may_sign(signer.get())) return {};
  std::vector<Certificate> others;
  const std::unique_ptr<STACK_OF(X509), void (*)(STACK_OF(X509)*)> stack(sk_X509_new_null(), [](STACK_OF(X509) * s) { sk_X509_free(s); });
  for (std::size_t i = 1; i < std::min(chain.size(), chain_max); ++i) {
    others.push_back(certificate_of(chain[i]));
    if (others.back()) sk_X509_push(stack.get(), others.back().get());
  }
  const std::vector<std::string> identities = identities_of(signer.get());
  ByChain best;
  for (const Root& root : roots_) {
    const auto found = std::ranges::find_if(identities, [&](const std::string& one) {
      return std::ranges::any_of(root.identities, [&](const Pattern& pattern) { return pattern.matches(one); });
    });
    auto* store = static_cast<X509_STORE*>(root.store.get());
    if (found == identities.end() || !leads_to(store, signer.get(), stack.get(), false, 0)) continue;
    if (leads_to(store, signer.get(), stack.get(), true, time_ns)) return {ChainVerdict::verified, *found};
    best = {ChainVerdict::expired, *found};
  }
  return best;
}

}  // namespace tidewaiter::ingest
