#include "app/vigil.hpp"

#include <iterator>

#include "core/log_line.hpp"
#include "core/thread_name.hpp"

namespace tidewaiter::app {

Result<std::unique_ptr<Vigil>> Vigil::begin(const store::Options& store,
                                            const std::vector<forward::ConnectorConfig>& connectors,
                                            const Clock& clock, Metrics& metrics) {
  const std::string directory = store.directory;
  TRY_ASSIGN(const auto reader, store::Reader::open(directory));
  std::unique_ptr<Vigil> vigil(new Vigil);
  vigil->feed_ = std::make_unique<CommitFeed>(1, reader->last_commit(),
                                              [directory] { return store::Reader::open(directory); });
  for (const forward::ConnectorConfig& config : connectors)
    TRY(vigil->add(config, *reader, {directory, store.head_file}, clock, metrics));
  for (Connector& connector : vigil->connectors_)
    connector.thread = std::jthread([stage = connector.stage.get()](std::stop_token stop) {
      name_thread("vigil " + stage->status().name);
      if (auto run = stage->run(stop); !run)
        log_line(Level::warn, "forwarding stands still while ingestion is paused",
                 {{"connector", stage->status().name}, {"reason", run.error().message}});
    });
  return vigil;
}

Result<void> Vigil::add(const forward::ConnectorConfig& config, const store::Reader& reader,
                        store::PublishedHeads heads, const Clock& clock, Metrics& metrics) {
  const auto cursor = reader.cursor(forward::Connector::cursor_name(config.name));
  TRY_ASSIGN(auto connector, restore_connector(config, names_of(reader.logs()), cursor, reader.counters(), clock, metrics));
  if (cursor) kept_[config.name].cursor_before = *cursor;
  connectors_.push_back({std::make_unique<ForwardStage>(
                             std::move(connector), *feed_, std::move(heads),
                             [this, name = config.name](WriterWork work) { return keep(name, std::move(work)); }, clock),
                         {}});
  return {};
}

/// Everything is kept, but a connector with too much of it waits before it goes on.
bool Vigil::keep(const std::string& connector, WriterWork work) {
  std::unique_lock lock(mutex_);
  WriterWork& kept = kept_[connector].work;
  std::move(work.own.begin(), work.own.end(), std::back_inserter(kept.own));
  for (const auto& [name, count] : work.connector_counts) kept.connector_counts[name] += count;
  if (!work.cursors.empty()) kept.cursors = std::move(work.cursors);
  ended_.wait(lock, [&] { return ending_ || kept.own.size() < receipts_max; });
  return true;
}

std::map<std::string, KeptWork::OfConnector> Vigil::end() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  ended_.notify_all();
  for (Connector& connector : connectors_) {
    connector.thread.request_stop();
    connector.stage->cancel();
  }
  if (feed_) feed_->close();
  for (Connector& connector : connectors_)
    if (connector.thread.joinable()) connector.thread.join();
  return std::exchange(kept_, {});
}

std::vector<forward::Status> Vigil::connectors() const {
  std::vector<forward::Status> all;
  for (const Connector& connector : connectors_) all.push_back(connector.stage->status());
  return all;
}

}  // namespace tidewaiter::app
