#include "store/note.hpp"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <sstream>

#include "core/check.hpp"
#include "core/text.hpp"

namespace tidewaiter::store {
namespace {

constexpr char ed25519_type = 0x01;
constexpr std::string_view signature_start = "\xe2\x80\x94 ";  // em dash, space

std::string_view view_of(const PublicKey& key) { return {reinterpret_cast<const char*>(key.data()), key.size()}; }

Error bad_note(const std::string& what) { return fail(Code::invalid_argument, "checkpoint: " + what); }

std::shared_ptr<void> own(EVP_PKEY* key) {
  return {key, [](void* k) { EVP_PKEY_free(static_cast<EVP_PKEY*>(k)); }};
}
std::shared_ptr<BIO> memory_bio(std::string_view text) {
  return {text.empty() ? BIO_new(BIO_s_mem()) : BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free};
}
std::string bio_text(BIO* bio) {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio, &bytes);
  return std::string(bytes, static_cast<std::size_t>(size));
}

Result<std::string> read_file(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    if (errno == EACCES) return fail(Code::permission, file + ": may not be read");
    return fail(Code::not_found, file + ": there is no such file");
  }
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

/// The part of `text` up to the next line feed, which is taken off too; nothing when there is none.
std::optional<std::string_view> take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return line;
}

bool valid_name(std::string_view name) {
  return !name.empty() && name.find_first_of(" +\n\r\t") == std::string_view::npos;
}

Result<NoteSignature> parse_signature(std::string_view line) {
  if (!line.starts_with(signature_start)) return bad_note("a signature line does not start with a dash");
  line.remove_prefix(signature_start.size());
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos || !valid_name(line.substr(0, space)))
    return bad_note("a signature line has no key name");
  const auto bytes = from_base64(line.substr(space + 1));
  if (!bytes || bytes->size() < 5) return bad_note("a signature is not base64 of a key id and a signature");
  NoteSignature signature;
  signature.name = line.substr(0, space);
  signature.key_id = get_be<std::uint32_t>(bytes->data());
  signature.signature = bytes->substr(4);
  return signature;
}

}  // namespace

std::uint32_t key_id(std::string_view name, const PublicKey& key) {
  std::string bytes(name);
  bytes += '\n';
  bytes += ed25519_type;
  bytes += view_of(key);
  return get_be<std::uint32_t>(reinterpret_cast<const char*>(sha256(bytes).data()));
}

std::string encode_vkey(std::string_view name, const PublicKey& key) {
  char id[4];
  put_be<std::uint32_t>(id, key_id(name, key));
  std::string typed(1, ed25519_type);
  typed += view_of(key);
  return std::string(name) + "+" + to_hex({id, sizeof id}) + "+" + to_base64(typed);
}

Result<Vkey> decode_vkey(std::string_view text) {
  const auto wrong = [&] { return fail(Code::invalid_argument, "not a vkey: " + std::string(text)); };
  const std::size_t first = text.find('+');
  if (first == std::string_view::npos) return wrong();
  const std::size_t second = text.find('+', first + 1);
  if (second == std::string_view::npos) return wrong();
  const auto typed = from_base64(text.substr(second + 1));
  if (!typed || typed->size() != 33 || (*typed)[0] != ed25519_type) return wrong();
  Vkey vkey;
  vkey.name = text.substr(0, first);
  std::memcpy(vkey.key.data(), typed->data() + 1, vkey.key.size());
  if (!valid_name(vkey.name) || encode_vkey(vkey.name, vkey.key) != text) return wrong();
  return vkey;
}

SigningKey::SigningKey(std::shared_ptr<void> key) : key_(std::move(key)) {
  std::size_t size = public_key_.size();
  CHECK(EVP_PKEY_get_raw_public_key(static_cast<EVP_PKEY*>(key_.get()), public_key_.data(), &size) == 1);
}

Result<SigningKey> SigningKey::load(const std::string& file) {
  TRY_ASSIGN(const std::string text, read_file(file));
  const auto bio = memory_bio(text);
  EVP_PKEY* key = PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr);
  if (key == nullptr) return fail(Code::invalid_argument, file + ": not a private key in PEM form");
  auto owned = own(key);
  if (EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519)
    return fail(Code::invalid_argument, file + ": the signing key must be Ed25519");
  return SigningKey(std::move(owned));
}

SigningKey SigningKey::random() {
  EVP_PKEY* key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  CHECK(key != nullptr);
  return SigningKey(own(key));
}

Result<SigningKey> SigningKey::generate(const std::string& file) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0 && errno == EEXIST) return fail(Code::already_exists, file + ": there is a file already");
  if (fd < 0) return fail(Code::disk, file + ": " + std::strerror(errno));
  SigningKey made = random();
  const auto bio = memory_bio({});
  CHECK(PEM_write_bio_PKCS8PrivateKey(bio.get(), static_cast<EVP_PKEY*>(made.key_.get()), nullptr, nullptr, 0, nullptr,
                                      nullptr) == 1);
  const std::string pem = bio_text(bio.get());
  const bool written = ::write(fd, pem.data(), pem.size()) == static_cast<ssize_t>(pem.size()) && ::fsync(fd) == 0;
  if (::close(fd) != 0 || !written) {
    ::unlink(file.c_str());
    return fail(Code::disk, file + ": cannot be written");
  }
  return made;
}

Signature SigningKey::sign(std::string_view message) const {
  Signature signature;
  std::size_t size = signature.size();
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  CHECK(context != nullptr);
  CHECK(EVP_DigestSignInit(context, nullptr, nullptr, nullptr, static_cast<EVP_PKEY*>(key_.get())) == 1);
  CHECK(EVP_DigestSign(context, signature.data(), &size, reinterpret_cast<const unsigned char*>(message.data()),
                       message.size()) == 1);
  EVP_MD_CTX_free(context);
  return signature;
}

bool verify_signature(const PublicKey& key, std::string_view message, const Signature& signature) {
  EVP_PKEY* raw = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.data(), key.size());
  if (raw == nullptr) return false;
  const auto owned = own(raw);
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  CHECK(context != nullptr);
  const bool right =
      EVP_DigestVerifyInit(context, nullptr, nullptr, nullptr, raw) == 1 &&
      EVP_DigestVerify(context, signature.data(), signature.size(),
                       reinterpret_cast<const unsigned char*>(message.data()), message.size()) == 1;
  EVP_MD_CTX_free(context);
  return right;
}

Result<PublicKey> load_public_key(const std::string& file) {
  TRY_ASSIGN(std::string text, read_file(file));
  PublicKey key{};
  const auto bio = memory_bio(text);
  if (EVP_PKEY* pem = PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr)) {
    const auto owned = own(pem);
    std::size_t size = key.size();
    if (EVP_PKEY_get_raw_public_key(pem, key.data(), &size) == 1 && size == key.size()) return key;
    return fail(Code::invalid_argument, file + ": the public key must be Ed25519");
  }
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  const std::string first_line = text.substr(0, text.find('\n'));
  if (auto vkey = decode_vkey(first_line)) return vkey->key;
  if (const auto bytes = from_hex(text); bytes && bytes->size() == key.size()) {
    std::memcpy(key.data(), bytes->data(), key.size());
    return key;
  }
  return fail(Code::invalid_argument, file + ": not a public key (PEM, vkey or 64 hex digits)");
}

std::string public_key_pem(const PublicKey& key) {
  EVP_PKEY* raw = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.data(), key.size());
  CHECK(raw != nullptr);
  const auto owned = own(raw);
  const auto bio = memory_bio({});
  CHECK(PEM_write_bio_PUBKEY(bio.get(), raw) == 1);
  return bio_text(bio.get());
}

std::string checkpoint_text(std::string_view origin, std::uint64_t size, const Hash& root) {
  return std::string(origin) + "\n" + std::to_string(size) + "\n" + to_base64(as_view(root)) + "\n";
}

std::string sign_checkpoint(std::string_view origin, std::uint64_t size, const Hash& root, const SigningKey& key) {
  std::string text = checkpoint_text(origin, size, root);
  const Signature signature = key.sign(text);
  std::string bytes(4, '\0');
  put_be<std::uint32_t>(bytes.data(), key_id(origin, key.public_key()));
  bytes.append(reinterpret_cast<const char*>(signature.data()), signature.size());
  text += "\n";
  text += signature_start;
  text += origin;
  text += " " + to_base64(bytes) + "\n";
  return text;
}

Result<Checkpoint> parse_checkpoint(std::string_view note) {
  if (note.find('\r') != std::string_view::npos) return bad_note("there is a carriage return in it");
  std::string_view rest = note;
  const auto origin = take_line(rest), size = take_line(rest), root = take_line(rest);
  if (!origin || !size || !root || origin->empty()) return bad_note("it has not the three lines origin, size, root");
  Checkpoint checkpoint;
  checkpoint.origin = *origin;
  const auto [end, error] = std::from_chars(size->data(), size->data() + size->size(), checkpoint.size);
  if (error != std::errc() || end != size->data() + size->size() || std::to_string(checkpoint.size) != *size)
    return bad_note("the size is not a plain decimal number");
  const auto hash = from_base64(*root);
  if (!hash || hash->size() != checkpoint.root.size()) return bad_note("the root is not base64 of 32 bytes");
  std::memcpy(checkpoint.root.data(), hash->data(), hash->size());
  std::string_view text = note.substr(0, note.size() - rest.size());
  while (!rest.empty() && rest[0] != '\n') {  // extension lines are signed too
    if (!take_line(rest)) return bad_note("the last line does not end");
    text = note.substr(0, note.size() - rest.size());
  }
  checkpoint.text = text;
  if (rest.empty()) return checkpoint;
  rest.remove_prefix(1);
  if (rest.empty()) return bad_note("there is no signature after the blank line");
  while (!rest.empty()) {
    const auto line = take_line(rest);
    if (!line) return bad_note("the last signature line does not end");
    TRY_ASSIGN(NoteSignature signature, parse_signature(*line));
    checkpoint.signatures.push_back(std::move(signature));
  }
  return checkpoint;
}

Result<bool> verify_checkpoint(const Checkpoint& checkpoint, const PublicKey& key) {
  const std::uint32_t id = key_id(checkpoint.origin, key);
  bool found = false;
  for (const NoteSignature& s : checkpoint.signatures) {
    if (s.name != checkpoint.origin || s.key_id != id) continue;
    Signature signature;
    if (s.signature.size() != signature.size())
      return fail(Code::corruption, "checkpoint " + checkpoint.origin + ": a signature has a wrong length");
    std::memcpy(signature.data(), s.signature.data(), signature.size());
    if (!verify_signature(key, checkpoint.text, signature))
      return fail(Code::corruption, "checkpoint " + checkpoint.origin + ": the signature is wrong");
    found = true;
  }
  return found;
}

}  // namespace tidewaiter::store
