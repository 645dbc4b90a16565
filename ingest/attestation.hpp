// Attestation: is the signature of a DSSE envelope or Sigstore bundle good? Judged once, while a message is read, by the
// keys in force then; the result is the column provenance.status, so a replay sees what was seen live.
//   DSSE: signatures over PAE(payloadType, payload) (github.com/secure-systems-lab/dsse, protocol.md)
//   Sigstore bundle 0.1 to 0.3: the same envelope, or a signature over the artifact's digest, with a certificate
//   (chain) or the hint of a key (github.com/sigstore/protobuf-specs, sigstore_bundle.proto)
// One signature that holds is enough. The certificate must have been valid at the time of the bundle's entry in a
// transparency log, or, without one, when the message was received. That time is the bundle's own word: entries of
// transparency logs are not verified here.
// Cost: 50 to 300 us a signature; nothing for messages of formats that carry none. Owned by one Parser.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/event.hpp"
#include "ingest/trust.hpp"

namespace tidewaiter::ingest {

/// Pre-authentication encoding: what a DSSE signature is over.
std::string dsse_pae(std::string_view payload_type, std::string_view payload);

/// What stands in a message, as the mapping has found it (schemas/mapping.schema.json, `signature`); empty = nothing.
struct SignedStatement {
  std::string_view payload;       // base64
  std::string_view payload_type;
  std::string_view signatures;    // JSON list of {keyid, sig, cert}
  std::string_view digest;        // base64; instead of payload, payload_type and signatures
  std::string_view digest_algorithm;
  std::string_view signature;     // base64, over the digest
  std::string_view material;      // JSON of a bundle's verificationMaterial
};

enum class SignatureStatus : std::uint8_t { unverified, verified, expired, failed };
inline constexpr std::size_t signature_status_count = 4;

struct SignatureVerdict {
  SignatureStatus status = SignatureStatus::unverified;
  std::string identity;  // of the signer's certificate; empty when a bare key has signed
};

class Attestation {
 public:
  static constexpr std::size_t statements_max = 64;   // judged per message; the others stay unverified
  static constexpr std::size_t signatures_max = 16;   // tried per statement

  explicit Attestation(std::shared_ptr<const Trust> trust) : trust_(std::move(trust)) {}

  /// A new message: nothing of the last one is remembered.
  void begin();
  /// Judges the statement that `event` came from and sets provenance.status; a status of `failed` that the statement
  /// itself reports stays. Several events of one statement cost one verification. The view of `identity` in the result
  /// lives until the next call.
  const SignatureVerdict& judge(const SignedStatement& statement, std::int64_t receive_time_ns, Event& event);

  /// Statements judged, by SignatureStatus, and those beyond statements_max.
  const std::array<std::uint64_t, signature_status_count>& counts() const { return counts_; }
  std::uint64_t passed_over() const { return passed_over_; }

 private:
  SignatureVerdict verdict(const SignedStatement& statement, std::int64_t receive_time_ns) const;

  std::shared_ptr<const Trust> trust_;
  std::size_t judged_ = 0;
  const char* last_ = nullptr;  // where the last statement's text stands
  SignatureVerdict last_verdict_;
  std::array<std::uint64_t, signature_status_count> counts_{};
  std::uint64_t passed_over_ = 0;
};

}  // namespace tidewaiter::ingest
