#include "app/offline_store.hpp"

#include "app/assemble.hpp"
#include "app/command_store.hpp"
#include "store/reader.hpp"

namespace tidewaiter::app {
namespace {

/// The logs as the store has them.
std::vector<store::LogInfo> event_logs_of(const store::Reader& reader) {
  std::vector<store::LogInfo> logs;
  for (const store::LogInfo& log : reader.logs())
    if (!store::is_own_log(log.id)) logs.push_back(log);
  return logs;
}

/// A head that nobody signs would break the row of signed ones.
Result<void> check_key(const store::Reader& reader, const Config& config) {
  if (!config.store.signing_key_file.empty()) return {};
  TRY_ASSIGN(const auto heads, reader.heads(0));
  if (heads.empty() || heads.back().note.find("\n\u2014 ") == std::string::npos) return {};
  return fail(Code::invalid_argument, "the heads of this store are signed: give --config with the store's signing_key_file");
}

}  // namespace

Result<std::unique_ptr<store::Log>> open_offline(const Config& config, Metrics& metrics) {
  store::Options open = store_options(config);
  open.create_if_missing = false;
  {
    TRY_ASSIGN(const auto reader, open_store(config.store.directory));
    open.event_logs = event_logs_of(*reader);
    TRY(check_key(*reader, config));
  }
  return store::Log::open(std::move(open), metrics);
}

}  // namespace tidewaiter::app
