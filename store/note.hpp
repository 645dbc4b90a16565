// C2SP signed notes and checkpoints (c2sp.org/signed-note, c2sp.org/tlog-checkpoint), Ed25519 (signature type 0x01),
// and the signing key. Pure but for the key files. Everything that a verifier must refuse is refused here: sizes with
// leading zeros, carriage returns, base64 with stray bits, a foreign origin.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"
#include "core/sha256.hpp"

namespace tidewaiter::store {

using PublicKey = std::array<std::uint8_t, 32>;
using Signature = std::array<std::uint8_t, 64>;

/// SHA-256(name || '\n' || 0x01 || key), first 4 bytes, as a number.
std::uint32_t key_id(std::string_view name, const PublicKey& key);
/// `name+8 hex digits+base64(0x01 || key)`
std::string encode_vkey(std::string_view name, const PublicKey& key);
struct Vkey {
  std::string name;
  PublicKey key{};
};
Result<Vkey> decode_vkey(std::string_view text);

/// Ed25519 private key. Copies share the key.
class SigningKey {
 public:
  /// PKCS#8 PEM. Errors: not_found, invalid_argument (not an Ed25519 key), permission.
  static Result<SigningKey> load(const std::string& file);
  /// Writes a new key to `file` (mode 0600), which must not exist.
  static Result<SigningKey> generate(const std::string& file);
  static SigningKey random();
  const PublicKey& public_key() const { return public_key_; }
  Signature sign(std::string_view message) const;

 private:
  explicit SigningKey(std::shared_ptr<void> key);
  std::shared_ptr<void> key_;
  PublicKey public_key_{};
};

bool verify_signature(const PublicKey& key, std::string_view message, const Signature& signature);
/// Public key as PEM (SubjectPublicKeyInfo), as a vkey, or as 64 hex digits: the key alone, names are not kept.
Result<PublicKey> load_public_key(const std::string& file);
std::string public_key_pem(const PublicKey& key);

/// "origin\nsize\nbase64(root)\n": what is signed.
std::string checkpoint_text(std::string_view origin, std::uint64_t size, const Hash& root);
/// The text, a blank line and one signature line; the key's name is the origin.
std::string sign_checkpoint(std::string_view origin, std::uint64_t size, const Hash& root, const SigningKey& key);

struct NoteSignature {
  std::string name;
  std::uint32_t key_id = 0;
  std::string signature;  // without the key id
};
struct Checkpoint {
  std::string origin;
  std::uint64_t size = 0;
  Hash root{};
  std::string text;  // what is signed
  std::vector<NoteSignature> signatures;
};
/// A checkpoint with any number of signatures; without any it is a bare text, as an unsigned store publishes.
/// Error: invalid_argument, naming what is wrong.
Result<Checkpoint> parse_checkpoint(std::string_view note);
/// True when a signature by (origin, key) is there and right. A wrong one by that name and id: error corruption.
Result<bool> verify_checkpoint(const Checkpoint& checkpoint, const PublicKey& key);

}  // namespace tidewaiter::store
