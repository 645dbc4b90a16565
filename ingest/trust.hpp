// Trust: the public keys and root certificates that the configuration gives, and what they say about a signature. With
// trust.cpp the only place in the room that knows OpenSSL. Immutable once made; cheap to share.
// Keys: ECDSA on P-256, P-384 and P-521 (signatures in DER, or r and s side by side), Ed25519, RSA of at least 2048 bits (PKCS #1 v1.5 and PSS,
// SHA-256). A chain of certificates is judged at a moment that the caller names, never by the clock of the machine.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"
#include "ingest/recipe.hpp"

namespace tidewaiter::ingest {

struct TrustedKey {
  std::string name;
  std::string pem;
};
/// Whose certificates count: those that lead to `pem` (one certificate or several) and are for one of `identities`.
struct TrustedRoot {
  std::string name;
  std::string pem;
  std::vector<std::string> identities;  // URI, e-mail or DNS name; '*' at the beginning, the end or both
};
struct TrustOptions {
  std::vector<TrustedKey> keys;
  std::vector<TrustedRoot> roots;
  bool empty() const { return keys.empty() && roots.empty(); }
};

/// One JSON object, the same for the same options: the content of the control record.
std::string to_json(const TrustOptions& options);
/// Error: invalid_argument.
Result<TrustOptions> trust_from_json(std::string_view json);

/// What is signed: the bytes themselves, or only their SHA-256.
struct SignedBytes {
  std::string_view bytes;
  bool is_digest = false;
};

class PublicKey {
 public:
  /// Errors: invalid_argument, saying what was found instead and how to get a public key.
  static Result<PublicKey> from_pem(std::string_view pem);

  bool made(std::string_view signature, const SignedBytes& what) const;
  /// Whether `hint` is a name of this key: hex or base64 of the SHA-256 of its SubjectPublicKeyInfo, also with "SHA256:".
  bool is_called(std::string_view hint) const;

 private:
  friend class Trust;
  std::shared_ptr<void> key_;  // EVP_PKEY
  std::string hex_, base64_;
};

/// The certificates that came with a signature, the signer's own first. DER.
using CertificateChain = std::vector<std::string>;
Result<CertificateChain> certificates_of_pem(std::string_view pem);

class Trust {
 public:
  /// Errors: invalid_argument, naming key or root.
  static Result<std::shared_ptr<const Trust>> create(const TrustOptions& options);

  enum class KeyVerdict : std::uint8_t { verified, broken, unknown };
  /// By the configured keys. A hint is only a hint: all keys are tried. broken: the hint names a configured key, or
  /// there is no hint at all, and no key has made the signature.
  KeyVerdict by_key(std::string_view hint, std::string_view signature, const SignedBytes& what) const;

  enum class ChainVerdict : std::uint8_t { verified, expired, broken, unknown };
  struct ByChain {
    ChainVerdict verdict = ChainVerdict::unknown;
    std::string identity;  // of a verified or expired signer
  };
  /// broken: the signer's own certificate does not fit the signature. unknown: it fits, but no configured root stands
  /// behind it, or the root is not configured for this identity.
  ByChain by_chain(const CertificateChain& chain, std::string_view signature, const SignedBytes& what,
                   std::int64_t time_ns) const;

  bool has_keys() const { return !keys_.empty(); }
  bool has_roots() const { return !roots_.empty(); }

 private:
  struct Root {
    std::shared_ptr<void> store;  // X509_STORE
    std::vector<Pattern> identities;
  };
  std::vector<std::pair<std::string, PublicKey>> keys_;
  std::vector<Root> roots_;
};

}  // namespace tidewaiter::ingest
