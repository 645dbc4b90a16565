#include "ingest/attestation.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/enums.hpp"
#include "core/text.hpp"
#include "ingest/extracts.hpp"

namespace tidewaiter::ingest {
namespace {

using Json = nlohmann::json;

constexpr std::size_t sha256_bytes = 32;

consteval std::uint64_t status_number(std::string_view word) {
  for (std::size_t i = 0; i < std::size(enums::provenance_status_words); ++i)
    if (enums::provenance_status_words[i] == word) return i;
  throw "no such word";
}
constexpr std::uint64_t failed_status = status_number("failed");
constexpr std::array<std::uint64_t, signature_status_count> status_numbers = {
    status_number("unverified"), status_number("verified"), status_number("expired"), failed_status};

std::string_view text_at(const Json& object, const char* key) {
  if (!object.is_object()) return {};
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? std::string_view(found->get_ref<const std::string&>())
                                                     : std::string_view();
}

const Json& child(const Json& object, const char* key) {
  static const Json nothing;
  if (!object.is_object()) return nothing;
  const auto found = object.find(key);
  return found == object.end() ? nothing : *found;
}

/// What a bundle brings along to verify its signature by.
struct Material {
  CertificateChain chain;
  std::string hint;
  std::int64_t integrated_ns = 0;  // 0 = none
};

void add_certificate(CertificateChain& chain, const Json& certificate) {
  if (auto der = decoded_base64(text_at(certificate, "rawBytes")); der && !der->empty()) chain.push_back(std::move(*der));
}

std::int64_t integrated_time_ns(const Json& entries) {
  if (!entries.is_array() || entries.empty()) return 0;
  const Json& time = child(entries.front(), "integratedTime");
  std::int64_t seconds = 0;
  if (time.is_number_integer()) {
    seconds = time.get<std::int64_t>();
  } else if (time.is_string()) {
    const auto& text = time.get_ref<const std::string&>();
    std::from_chars(text.data(), text.data() + text.size(), seconds);
  }
  constexpr std::int64_t per_second = 1'000'000'000;
  return seconds > 0 && seconds < std::numeric_limits<std::int64_t>::max() / per_second ? seconds * per_second : 0;
}

Material read_material(std::string_view text) {
  Material material;
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return material;
  add_certificate(material.chain, child(json, "certificate"));
  const Json& list = child(child(json, "x509CertificateChain"), "certificates");
  for (const Json& one : list.is_array() ? list : Json::array()) add_certificate(material.chain, one);
  material.hint = text_at(child(json, "publicKey"), "hint");
  material.integrated_ns = integrated_time_ns(child(json, "tlogEntries"));
  return material;
}

/// The better of two: one good signature is enough, and what is broken says more than what nobody can judge.
void take_better(SignatureVerdict& best, SignatureVerdict other) {
  constexpr auto rank = [](SignatureStatus status) {
    switch (status) {
      case SignatureStatus::verified: return 3;
      case SignatureStatus::expired: return 2;
      case SignatureStatus::failed: return 1;
      case SignatureStatus::unverified: break;
    }
    return 0;
  };
  if (rank(other.status) > rank(best.status)) best = std::move(other);
}

SignatureVerdict of_chain(Trust::ByChain by) {
  switch (by.verdict) {
    case Trust::ChainVerdict::verified: return {SignatureStatus::verified, std::move(by.identity)};
    case Trust::ChainVerdict::expired: return {SignatureStatus::expired, std::move(by.identity)};
    case Trust::ChainVerdict::broken: return {SignatureStatus::failed, {}};
    case Trust::ChainVerdict::unknown: break;
  }
  return {};
}

SignatureVerdict of_key(Trust::KeyVerdict by) {
  if (by == Trust::KeyVerdict::verified) return {SignatureStatus::verified, {}};
  return {by == Trust::KeyVerdict::broken ? SignatureStatus::failed : SignatureStatus::unverified, {}};
}

SignatureVerdict judge_one(const Trust& trust, const CertificateChain& chain, std::string_view hint,
                           std::string_view signature, const SignedBytes& what, std::int64_t time_ns) {
  const auto bytes = decoded_base64(signature);
  if (!bytes || bytes->empty()) return {SignatureStatus::failed, {}};
  if (!chain.empty()) return of_chain(trust.by_chain(chain, *bytes, what, time_ns));
  return of_key(trust.by_key(hint, *bytes, what));
}

}  // namespace

std::string dsse_pae(std::string_view payload_type, std::string_view payload) {
  std::string out = "DSSEv1 " + std::to_string(payload_type.size()) + ' ';
  out.append(payload_type).append(" ").append(std::to_string(payload.size())).append(" ").append(payload);
  return out;
}

void Attestation::begin() {
  judged_ = 0;
  last_ = nullptr;
}

SignatureVerdict Attestation::verdict(const SignedStatement& statement, std::int64_t receive_time_ns) const {
  const Material material = read_material(statement.material);
  const std::int64_t time_ns = material.integrated_ns != 0 ? material.integrated_ns : receive_time_ns;
  if (statement.payload.empty()) {
    const auto digest = decoded_base64(statement.digest);
    const bool known = statement.digest_algorithm.empty() || statement.digest_algorithm == "SHA2_256";
    if (!known || !digest || digest->size() != sha256_bytes) return {};
    return judge_one(*trust_, material.chain, material.hint, statement.signature, {*digest, true}, time_ns);
  }
  const auto payload = decoded_base64(statement.payload);
  const Json signatures = Json::parse(statement.signatures, nullptr, false);
  if (!payload || !signatures.is_array()) return {};
  const std::string pae = dsse_pae(statement.payload_type, *payload);
  SignatureVerdict best;
  std::size_t tried = 0;
  for (const Json& one : signatures) {
    if (tried++ == signatures_max) break;
    CertificateChain own;
    if (const std::string_view pem = text_at(one, "cert"); material.chain.empty() && !pem.empty())
      if (auto read = certificates_of_pem(pem)) own = std::move(*read);
    const std::string_view hint = text_at(one, "keyid").empty() ? std::string_view(material.hint) : text_at(one, "keyid");
    take_better(best, judge_one(*trust_, own.empty() ? material.chain : own, hint, text_at(one, "sig"), {pae, false}, time_ns));
  }
  return best;
}

const SignatureVerdict& Attestation::judge(const SignedStatement& statement, std::int64_t receive_time_ns, Event& event) {
  const char* place = (statement.payload.empty() ? statement.digest : statement.payload).data();
  if (place != last_) {
    last_ = place;
    last_verdict_ = {};
    if (++judged_ > statements_max) {
      ++passed_over_;
    } else {
      last_verdict_ = verdict(statement, receive_time_ns);
      ++counts_[static_cast<std::size_t>(last_verdict_.status)];
    }
  }
  if (event.get(Num::provenance_status) != failed_status)
    event.set(Num::provenance_status, status_numbers[static_cast<std::size_t>(last_verdict_.status)]);
  return last_verdict_;
}

}  // namespace tidewaiter::ingest
