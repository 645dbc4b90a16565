// Signatures of envelopes and bundles, judged through the whole parser. All keys are made here.
#include <gtest/gtest.h>

#include "core/sha256.hpp"
#include "tests/ingest/batches.hpp"
#include "tests/ingest/signing.hpp"

namespace tidewaiter::ingest {
namespace {

using namespace testing;

const std::string digest(64, 'a');
constexpr std::int64_t now_s = receive_ns / 1'000'000'000, hour_s = 3600;

std::shared_ptr<const Trust> trust_of(const TrustOptions& options) {
  auto made = Trust::create(options);
  if (!made) throw std::runtime_error(made.error().message);
  return *made;
}

struct Judged {
  std::string status, principal, principal_type;
  std::size_t events = 0;
};

Judged judge(const std::string& message, const TrustOptions& options) {
  ParserOptions with_trust;
  if (!options.empty()) with_trust.trust = trust_of(options);
  const auto parser = make_parser(std::move(with_trust));
  TestBatch batch;
  batch.add(message).parse(*parser);
  const Event& event = batch.event();
  return {std::string(enums::provenance_status.word(event.get(Num::provenance_status))),
          std::string(event.get(Str::principal)), std::string(enums::principal_type.word(event.get(Num::principal_type))),
          batch.record().event_count};
}

std::string status_of(const std::string& message, const TrustOptions& options) { return judge(message, options).status; }

TrustOptions key_of(const SigningKey& key, std::string name = "ci") { return {{{std::move(name), key.public_pem()}}, {}}; }

TEST(Pae, is_the_one_of_the_specification) {
  EXPECT_EQ(dsse_pae("http://example.com/HelloWorld", "hello world"),
            "DSSEv1 29 http://example.com/HelloWorld 11 hello world");
  EXPECT_EQ(dsse_pae("", ""), "DSSEv1 0  0 ");
}

// protocol.md of the DSSE specification, "Test Vectors": ECDSA on P-256, r and s side by side.
TEST(Attestation, the_signed_example_of_the_dsse_specification_is_verified) {
  const TrustOptions options{{{"example",
                               "-----BEGIN PUBLIC KEY-----\n"
                               "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEZ805D3eqNZywjCI19lInBJOp7YMr\n"
                               "CrzAH3CVTAOQ0jgMeCvVTiaRJaRPRDOv8UMs6U4SvKc6pnrIDOoSYI3fdA==\n"
                               "-----END PUBLIC KEY-----\n"}}, {}};
  Attestation attestation(trust_of(options));
  const auto status = [&](std::string_view payload) {
    const std::string signatures =
        R"([{"sig":"A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA=="}])";
    Event event;
    SignedStatement said;
    said.payload = payload;
    said.payload_type = "http://example.com/HelloWorld";
    said.signatures = signatures;
    attestation.begin();
    return attestation.judge(said, receive_ns, event).status;
  };
  EXPECT_EQ(status("aGVsbG8gd29ybGQ="), SignatureStatus::verified);
  EXPECT_EQ(status("aGVsbG8gd29ybGQh"), SignatureStatus::failed);
}

TEST(Attestation, every_kind_of_key_verifies_what_it_has_signed_and_nothing_else) {
  const std::string said = statement(digest), other = statement(std::string(64, 'b'));
  for (const SigningKey& key : {SigningKey::p256(), SigningKey::p384(), SigningKey::ed25519(), SigningKey::rsa()}) {
    EXPECT_EQ(status_of(envelope_of(said, key), key_of(key)), "verified");
    const std::string of_other = key.sign(dsse_pae(statement_type, other));
    EXPECT_EQ(status_of(envelope_of(said, key, "", &of_other), key_of(key)), "failed");
  }
}

TEST(Attestation, rsa_may_sign_with_pss) {
  const SigningKey rsa = SigningKey::rsa();
  const std::string said = statement(digest), pss = rsa.sign(dsse_pae(statement_type, said), true);
  EXPECT_EQ(status_of(envelope_of(said, rsa, "", &pss), key_of(rsa)), "verified");
}

TEST(Attestation, without_configured_keys_nothing_is_judged) {
  const SigningKey key = SigningKey::p256();
  EXPECT_EQ(status_of(envelope_of(statement(digest), key), {}), "unverified");
}

TEST(Attestation, a_corrupted_signature_fails) {
  const SigningKey key = SigningKey::p256();
  std::string signature = key.sign(dsse_pae(statement_type, statement(digest)));
  signature[signature.size() / 2] = static_cast<char>(signature[signature.size() / 2] ^ 1);
  EXPECT_EQ(status_of(envelope_of(statement(digest), key, "", &signature), key_of(key)), "failed");
  const std::string empty;
  EXPECT_EQ(status_of(envelope_of(statement(digest), key, "ci", &empty), key_of(key)), "failed");
}

TEST(Attestation, a_payload_that_was_changed_after_signing_fails) {
  const SigningKey key = SigningKey::ed25519();
  const std::string signature = key.sign(dsse_pae(statement_type, statement(digest)));
  EXPECT_EQ(status_of(envelope_of(statement(std::string(64, 'c')), key, "", &signature), key_of(key)), "failed");
}

TEST(Attestation, the_signature_covers_the_type_of_the_payload) {
  const SigningKey key = SigningKey::ed25519();
  const std::string signature = key.sign(dsse_pae("text/plain", statement(digest)));
  EXPECT_EQ(status_of(envelope_of(statement(digest), key, "", &signature), key_of(key)), "failed");
}

TEST(Attestation, of_a_wrong_key_only_what_names_a_key_at_hand_or_none_fails) {
  const SigningKey ours = SigningKey::p256(), theirs = SigningKey::p256();
  EXPECT_EQ(status_of(envelope_of(statement(digest), theirs, ""), key_of(ours)), "failed");
  EXPECT_EQ(status_of(envelope_of(statement(digest), theirs, "ci"), key_of(ours)), "failed");
  EXPECT_EQ(status_of(envelope_of(statement(digest), theirs, "somebody else's"), key_of(ours)), "unverified");
  EXPECT_EQ(status_of(envelope_of(statement(digest), ours, "somebody else's"), key_of(ours)), "verified")
      << "the hint is not signed: it decides nothing when a key at hand has signed";
}

TEST(Attestation, one_good_signature_of_several_is_enough) {
  const SigningKey ours = SigningKey::p256(), theirs = SigningKey::p256();
  const std::string said = statement(digest), pae = dsse_pae(statement_type, said);
  const auto envelope = [&](const std::string& first, const std::string& second) {
    return R"({"payloadType":")" + std::string(statement_type) + R"(","payload":")" + to_base64(said) +
           R"(","signatures":[{"keyid":"x","sig":")" + to_base64(first) + R"("},{"keyid":"","sig":")" + to_base64(second) + R"("}]})";
  };
  EXPECT_EQ(status_of(envelope(theirs.sign(pae), ours.sign(pae)), key_of(ours)), "verified");
  EXPECT_EQ(status_of(envelope(ours.sign(pae), theirs.sign(pae)), key_of(ours)), "verified");
}

TEST(Attestation, what_was_signed_is_what_was_read_whatever_the_order_and_repeats_of_keys) {
  const SigningKey key = SigningKey::p256();
  const std::string good = statement(digest), bad = statement(std::string(64, 'e'));
  const std::string sig = to_base64(key.sign(dsse_pae(statement_type, good)));
  const std::string signatures = R"("signatures":[{"sig":")" + sig + R"("}])", type = R"("payloadType":")" + std::string(statement_type) + '"';
  // The first of repeated keys is the one whose subject becomes the event: it must be the one that is judged.
  const std::string twice = R"({"payload":")" + to_base64(bad) + "\"," + signatures + "," + type + R"(,"payload":")" + to_base64(good) + R"("})";
  EXPECT_EQ(status_of(twice, key_of(key)), "failed");
  const std::string first = R"({"payload":")" + to_base64(good) + "\"," + signatures + "," + type + R"(,"payload":")" + to_base64(bad) + R"("})";
  EXPECT_EQ(status_of(first, key_of(key)), "verified");
}

TEST(Attestation, a_statement_with_several_subjects_is_judged_once_and_all_its_events_say_so) {
  const SigningKey key = SigningKey::p256();
  std::string said = statement(digest);
  said.insert(said.find("}}],") + 2, R"(,{"name":"two","digest":{"sha256":")" + std::string(64, 'f') + R"("}})");
  ParserOptions options;
  options.trust = trust_of(key_of(key));
  const auto parser = make_parser(std::move(options));
  TestBatch batch;
  batch.add(envelope_of(said, key)).add(R"({"subject":[{"name":"x","digest":{"sha256":"ab"}}],"predicateType":"x"})").parse(*parser);
  ASSERT_EQ(batch.record().event_count, 2u);
  for (std::size_t i = 0; i < 2; ++i)
    EXPECT_EQ(enums::provenance_status.word(batch.batch.events[i].get(Num::provenance_status)), "verified");
  EXPECT_EQ(enums::provenance_status.word(batch.batch.events[2].get(Num::provenance_status)), "unverified");
  const auto counts = parser->signature_counts();
  EXPECT_EQ(counts.judged[static_cast<std::size_t>(SignatureStatus::verified)], 1u);
  EXPECT_EQ(counts.judged[static_cast<std::size_t>(SignatureStatus::unverified)], 0u) << "no signature, no work";
}

TEST(Attestation, a_message_with_very_many_statements_costs_a_bounded_number_of_verifications) {
  const SigningKey key = SigningKey::ed25519();
  std::string list;
  for (std::size_t i = 0; i < Attestation::statements_max + 3; ++i)
    list += (i == 0 ? "[" : ",") + envelope_of(statement(digest), key);
  ParserOptions options;
  options.trust = trust_of(key_of(key));
  const auto parser = make_parser(std::move(options));
  TestBatch batch;
  batch.add(list + "]").parse(*parser);
  ASSERT_EQ(batch.record().event_count, Attestation::statements_max + 3);
  EXPECT_EQ(parser->signature_counts().judged[static_cast<std::size_t>(SignatureStatus::verified)], Attestation::statements_max);
  EXPECT_EQ(parser->signature_counts().passed_over, 3u);
  EXPECT_EQ(enums::provenance_status.word(batch.batch.events.back().get(Num::provenance_status)), "unverified");
}

TEST(Attestation, a_failed_verification_that_a_statement_reports_stays_failed) {
  const SigningKey key = SigningKey::p256();
  const std::string said = R"({"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"a","digest":{"sha256":")" + digest +
                           R"("}}],"predicateType":"https://slsa.dev/verification_summary/v1","predicate":{"verificationResult":"FAILED"}})";
  EXPECT_EQ(status_of(envelope_of(said, key), key_of(key)), "failed");
}

/// An authority, and what it issues.
struct Authority {
  SigningKey key = SigningKey::p384();
  TestCertificate root{key, {"root", "", "", now_s - 1000 * hour_s, now_s + 1000 * hour_s, true}};
  SigningKey signer = SigningKey::p256();

  TestCertificate issue(std::int64_t from_s, std::int64_t until_s, const std::string& identity = "URI:https://ci.acme.example/api/release",
                        const std::string& usage = "codeSigning") const {
    return TestCertificate(signer, {"", identity, usage, from_s, until_s, false}, &root, &key);
  }
  TrustOptions trust(std::vector<std::string> identities = {"https://ci.acme.example/*"}) const {
    return {{}, {{"acme", root.pem(), std::move(identities)}}};
  }
  std::string bundle(const TestCertificate& certificate, std::int64_t integrated_s = 0) const {
    return bundle_of("\"dsseEnvelope\":" + envelope_of(statement(digest), signer), certificate, integrated_s);
  }
};

TEST(Bundle, a_certificate_that_leads_to_a_configured_root_verifies) {
  const Authority acme;
  EXPECT_EQ(status_of(acme.bundle(acme.issue(now_s - hour_s, now_s + hour_s)), acme.trust()), "verified");
  EXPECT_EQ(status_of(acme.bundle(acme.issue(now_s - hour_s, now_s + hour_s)), Authority().trust()), "unverified")
      << "of another root: nobody at hand vouches for it";
}

TEST(Bundle, a_certificate_is_judged_at_the_time_of_its_log_entry_else_at_receive_time) {
  const Authority acme;
  const TestCertificate short_lived = acme.issue(now_s - 100 * hour_s, now_s - 99 * hour_s);
  EXPECT_EQ(status_of(acme.bundle(short_lived, now_s - 99 * hour_s - 60), acme.trust()), "verified");
  EXPECT_EQ(status_of(acme.bundle(short_lived, now_s - 98 * hour_s), acme.trust()), "expired");
  EXPECT_EQ(status_of(acme.bundle(short_lived), acme.trust()), "expired");
  EXPECT_EQ(status_of(acme.bundle(acme.issue(now_s + hour_s, now_s + 2 * hour_s)), acme.trust()), "expired")
      << "not valid yet: outside of its time, too";
}

TEST(Bundle, only_configured_identities_and_code_signing_certificates_count) {
  const Authority acme;
  const auto at = [&](const std::string& identity, const std::string& usage = "codeSigning") {
    return status_of(acme.bundle(acme.issue(now_s - hour_s, now_s + hour_s, identity, usage)), acme.trust());
  };
  EXPECT_EQ(at("URI:https://evil.example/api"), "unverified");
  EXPECT_EQ(at("email:a@acme.example"), "unverified");
  EXPECT_EQ(at(""), "unverified");
  EXPECT_EQ(at("URI:https://ci.acme.example/x", "serverAuth"), "unverified");
  EXPECT_EQ(at("URI:https://ci.acme.example/x", ""), "verified");
}

TEST(Bundle, a_signature_that_its_own_certificate_contradicts_fails) {
  const Authority acme;
  const TestCertificate certificate = acme.issue(now_s - hour_s, now_s + hour_s);
  const std::string content = "\"dsseEnvelope\":" + envelope_of(statement(digest), SigningKey::p256());
  EXPECT_EQ(status_of(bundle_of(content, certificate, 0), acme.trust()), "failed");
}

TEST(Bundle, intermediates_come_with_the_bundle) {
  const Authority acme;
  const SigningKey middle_key = SigningKey::p256(), signer = SigningKey::p256();
  const TestCertificate middle(middle_key, {"middle", "", "", now_s - hour_s, now_s + hour_s, true}, &acme.root, &acme.key);
  const TestCertificate leaf(signer, {"", "URI:https://ci.acme.example/x", "codeSigning", now_s - hour_s, now_s + hour_s, false},
                             &middle, &middle_key);
  const auto bundle = [&](const std::string& certificates) {
    return R"({"mediaType":"application/vnd.dev.sigstore.bundle+json;version=0.1","verificationMaterial":{"x509CertificateChain":)"
           R"({"certificates":[)" + certificates + R"(]}},"dsseEnvelope":)" + envelope_of(statement(digest), signer) + "}";
  };
  const std::string first = R"({"rawBytes":")" + to_base64(leaf.der()) + "\"}", second = R"({"rawBytes":")" + to_base64(middle.der()) + "\"}";
  EXPECT_EQ(status_of(bundle(first + "," + second), acme.trust()), "verified");
  EXPECT_EQ(status_of(bundle(first), acme.trust()), "unverified");
}

TEST(Bundle, a_signature_over_a_digest_is_verified_and_its_signer_is_the_principal) {
  const Authority acme;
  const TestCertificate certificate = acme.issue(now_s - hour_s, now_s + hour_s);
  const std::string artifact = "an artifact";
  const Hash hash = sha256(artifact);
  const auto content = [&](const std::string& signature) {
    return R"("messageSignature":{"messageDigest":{"algorithm":"SHA2_256","digest":")" + to_base64(as_view(hash)) +
           R"("},"signature":")" + to_base64(signature) + R"("})";
  };
  const Judged good = judge(bundle_of(content(acme.signer.sign(artifact)), certificate, 0), acme.trust());
  EXPECT_EQ(good.status, "verified");
  EXPECT_EQ(good.principal, "https://ci.acme.example/api/release");
  EXPECT_EQ(good.principal_type, "ci_job");
  const Judged bad = judge(bundle_of(content(acme.signer.sign("another")), certificate, 0), acme.trust());
  EXPECT_EQ(bad.status, "failed");
  EXPECT_EQ(bad.principal, "unknown");
}

TEST(Bundle, each_attestation_of_a_package_is_judged_by_its_own_material) {
  const Authority acme, other;
  const auto valid = [](const Authority& who) { return who.issue(now_s - hour_s, now_s + hour_s); };
  const std::string bare = R"({"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{},"dsseEnvelope":)" +
                           envelope_of(statement(digest), acme.signer) + "}";
  const std::string mixed = bundle_of("\"dsseEnvelope\":" + envelope_of(statement(digest), other.signer), valid(acme), 0);
  std::string list;
  for (const std::string& bundle : {acme.bundle(valid(acme)), bare, mixed, other.bundle(valid(other)), acme.bundle(valid(acme))})
    list += (list.empty() ? "" : ",") + std::string(R"({"predicateType":"https://slsa.dev/provenance/v1","bundle":)") + bundle + "}";
  ParserOptions options;
  options.trust = trust_of(acme.trust());
  const auto parser = make_parser(std::move(options));
  TestBatch batch;
  batch.add(R"({"attestations":[)" + list + "]}").parse(*parser);
  ASSERT_EQ(batch.record().event_count, 5u);
  std::vector<std::string> statuses;
  for (const Event& event : batch.batch.events)
    statuses.emplace_back(enums::provenance_status.word(event.get(Num::provenance_status)));
  EXPECT_EQ(statuses, (std::vector<std::string>{"verified", "unverified", "failed", "unverified", "verified"}));
}

TEST(Bundle, a_hint_names_a_key_by_its_hash) {
  const SigningKey ours = SigningKey::p256(), theirs = SigningKey::p256();
  EVP_PKEY* key = ours.get();
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  const Hash hash = sha256({reinterpret_cast<char*>(der), static_cast<std::size_t>(size)});
  OPENSSL_free(der);
  for (const std::string& hint : {to_base64(as_view(hash)), to_hex(as_view(hash))}) {
    const std::string start = R"({"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":")" +
                              hint + R"("}},"dsseEnvelope":)";
    EXPECT_EQ(status_of(start + envelope_of(statement(digest), ours) + "}", key_of(ours)), "verified");
    EXPECT_EQ(status_of(start + envelope_of(statement(digest), theirs) + "}", key_of(ours)), "failed");
  }
}

TEST(Trust, a_file_that_holds_something_else_is_refused_with_the_remedy) {
  const SigningKey key = SigningKey::p256();
  const Authority acme;
  const auto refusal = [](const std::string& pem) {
    auto read = PublicKey::from_pem(pem);
    return read ? std::string() : read.error().message;
  };
  EXPECT_NE(refusal(key.private_pem()).find("openssl pkey -in FILE -pubout"), std::string::npos);
  EXPECT_NE(refusal(acme.root.pem()).find("certificate_file"), std::string::npos);
  EXPECT_NE(refusal("hello").find("-----BEGIN PUBLIC KEY-----"), std::string::npos);
  EXPECT_NE(refusal(SigningKey::rsa(1024).public_pem()).find("at least 2048"), std::string::npos);
  EXPECT_EQ(refusal(key.public_pem()), "");
  EXPECT_FALSE(certificates_of_pem(key.public_pem()));
  EXPECT_FALSE(certificates_of_pem(""));
}

TEST(Trust, comes_back_from_its_json_as_it_was) {
  const Authority acme;
  TrustOptions options = acme.trust();
  options.keys = key_of(acme.signer).keys;
  const auto again = trust_from_json(to_json(options));
  ASSERT_TRUE(again);
  EXPECT_EQ(to_json(*again), to_json(options));
  EXPECT_FALSE(trust_from_json("{}"));
}

}  // namespace
}  // namespace tidewaiter::ingest
