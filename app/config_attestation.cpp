// The keys and certificates by which attestations are judged: their files, read and held against what they should be.
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "app/config_checks.hpp"
#include "core/sha256.hpp"
#include "core/text.hpp"
#include "ingest/trust.hpp"

namespace tidewaiter::app {
namespace {

Result<std::string> pem_of(const std::string& file) {
  constexpr std::uintmax_t pem_bytes_max = 1 << 20;
  std::error_code error;
  if (std::filesystem::is_directory(file, error)) return fail(Code::not_found, file + " is a directory; name the PEM file in it");
  if (const auto size = std::filesystem::file_size(file, error); !error && size > pem_bytes_max)
    return fail(Code::invalid_argument, file + " is larger than 1 MiB and no PEM file");
  std::ifstream in(file, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(in), {});
  if (in.is_open()) return text;
  return fail(Code::not_found, file + " cannot be read: " + std::strerror(errno) +
                                   "; put the PEM file there, or correct the path (relative ones begin at the configuration's folder)");
}

/// The text of the file, if it holds what it should.
Result<std::string> public_key_of(const std::string& file) {
  TRY_ASSIGN(std::string pem, pem_of(file));
  if (auto key = ingest::PublicKey::from_pem(pem); !key) return fail(key.error().code, file + " " + key.error().message);
  return pem;
}

Result<std::string> certificates_of(const std::string& file) {
  TRY_ASSIGN(std::string pem, pem_of(file));
  if (auto read = ingest::certificates_of_pem(pem); !read) return fail(read.error().code, file + " " + read.error().message);
  return pem;
}

class Checker {
 public:
  Checker(const Config& config, const YamlTree& tree, std::vector<Finding>& findings)
      : config_(config), tree_(tree), findings_(findings) {}

  void check() {
    const AttestationConfig& attestation = config_.attestation;
    for (std::size_t i = 0; i < attestation.keys.size(); ++i)
      entry("/attestation/keys/" + std::to_string(i), attestation.keys[i].name, "/public_key_file",
            public_key_of(attestation.keys[i].public_key_file));
    for (std::size_t i = 0; i < attestation.roots.size(); ++i)
      entry("/attestation/roots/" + std::to_string(i), attestation.roots[i].name, "/certificate_file",
            certificates_of(attestation.roots[i].certificate_file));
  }

 private:
  void entry(const std::string& pointer, const std::string& name, const char* file_key, const Result<std::string>& pem) {
    if (!names_.insert(name).second) wrong(pointer + "/name", "'" + name + "' is there twice");
    if (!pem) wrong(pointer + file_key, pem.error().message);
  }
  void wrong(const std::string& pointer, std::string message) {
    const Place place = tree_.place_of(pointer);
    findings_.push_back({config_.file, place.line, place.column, key_of_pointer(pointer), std::move(message)});
  }

  const Config& config_;
  const YamlTree& tree_;
  std::vector<Finding>& findings_;
  std::set<std::string> names_;
};

}  // namespace

void check_attestation(const Config& config, const YamlTree& tree, std::vector<Finding>& findings) {
  Checker(config, tree, findings).check();
}

Result<LoadedTrust> load_trust(const Config& config) {
  ingest::TrustOptions options;
  for (const AttestationConfig::Key& key : config.attestation.keys) {
    TRY_ASSIGN(std::string pem, public_key_of(key.public_key_file));
    options.keys.push_back({key.name, std::move(pem)});
  }
  for (const AttestationConfig::Root& root : config.attestation.roots) {
    TRY_ASSIGN(std::string pem, certificates_of(root.certificate_file));
    options.roots.push_back({root.name, std::move(pem), root.identities});
  }
  if (options.empty()) return LoadedTrust{};
  LoadedTrust trust;
  trust.json = ingest::to_json(options);
  trust.hash = to_hex(as_view(sha256(trust.json)));
  return trust;
}

}  // namespace tidewaiter::app
