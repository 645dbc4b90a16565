#include "app/command_config.hpp"

#include <fmt/core.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <system_error>

#include "app/command_store.hpp"
#include "app/config.hpp"
#include "app/config_checks.hpp"
#include "app/config_template.hpp"
#include "store/note.hpp"

namespace tidewaiter::app {
namespace {

namespace fs = std::filesystem;

void say_error(const std::string& message) { fmt::print(stderr, "tidewaiter: {}\n", message); }

Result<void> write_file(const fs::path& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();
  if (!out) return fail(Code::disk, "cannot write " + path.string() + ": " + std::generic_category().message(errno));
  return {};
}

/// A new key, or the one that is there; its verifier key goes beside it.
Result<std::string> provide_key(const fs::path& key_file, const fs::path& public_file, const std::string& origin) {
  const bool is_new = !fs::exists(key_file);
  auto key = is_new ? store::SigningKey::generate(key_file) : store::SigningKey::load(key_file);
  if (!key) return std::move(key).error();
  const std::string vkey = store::encode_vkey(origin, key->public_key());
  TRY(write_file(public_file, vkey + "\n"));
  return std::string(is_new ? "a new signing key; keep it safe, and apart from the store" : "kept: the key was there already");
}

Result<void> init(const InitOptions& options) {
  const fs::path folder = options.directory;
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return fail(Code::disk, "cannot make " + folder.string() + ": " + error.message());
  const fs::path config = folder / "tidewaiter.yaml", policy = folder / "policy.yaml";
  for (const fs::path& path : {config, policy})
    if (fs::exists(path) && !options.force)
      return fail(Code::already_exists, path.string() + " is there already; --force overwrites it");
  const fs::path key = folder / "tidewaiter.key", public_key = folder / "tidewaiter.pub";
  TRY_ASSIGN(const std::string key_note, provide_key(key, public_key, template_origin));
  TRY(write_file(config, std::string(config_template())));
  TRY(write_file(policy, std::string(policy_template())));
  fmt::print("{}  the service: Kafka, store, connectors, addresses\n{}  the rules\n{}  {}\n{}  its public key, for verify and verify-proof\n",
             config.string(), policy.string(), key.string(), key_note, public_key.string());
  fmt::print("\nNext: edit the two files, then\n  tidewaiter check-config --config {0}\n  tidewaiter run --config {0}\n", config.string());
  return {};
}

std::vector<Finding> findings_of(const std::string& file, Config& config) {
  std::vector<Finding> findings;
  if (auto read = read_config(file, findings)) {
    config = std::move(read->config);
    check_connectors(config, read->tree, findings);
    if (!config.policy_file.empty()) load_policy(config.policy_file, findings);
    load_tables(config.enrichment, findings);
  }
  put_in_order(file, findings);
  return findings;
}

nlohmann::json as_json(const Finding& finding) {
  return {{"file", finding.file}, {"line", finding.line}, {"column", finding.column}, {"key", finding.key},
          {"message", finding.message}};
}

}  // namespace

int command_init(const InitOptions& options) {
  auto done = init(options);
  if (done) return exit_ok;
  say_error(done.error().message);
  return done.error().code == Code::already_exists ? exit_usage : exit_environment;
}

int command_check_config(const CheckConfigOptions& options) {
  Config config;
  const std::vector<Finding> findings = findings_of(options.config, config);
  if (options.json) {
    nlohmann::json list = nlohmann::json::array();
    for (const Finding& finding : findings) list.push_back(as_json(finding));
    fmt::print("{}\n", nlohmann::json{{"ok", findings.empty()}, {"findings", list}}.dump());
  } else {
    for (const Finding& finding : findings) fmt::print("{}\n", to_text(finding));
    if (findings.empty())
      fmt::print("{}: fine ({} logs, {} topics, {} connectors, policy {})\n", options.config, config.logs.size(),
                 config.kafka.topics.size(), config.connectors.size(),
                 config.policy_file.empty() ? "none" : config.policy_file);
  }
  return findings.empty() ? exit_ok : exit_finding;
}

}  // namespace tidewaiter::app
