// Vigil: what goes on while the store takes nothing. It looks at the store as another process would, without writing,
// and runs the connectors from their stored cursors over what is stored. What they settle is kept in memory, within a
// bound, until the next life of the store takes it over; if none does, it is sent again with the same ids.
// begin() and end() belong to the supervising thread; the rest may be called from any.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "app/commit_feed.hpp"
#include "app/forward_stage.hpp"
#include "app/pipeline.hpp"
#include "app/writer_work.hpp"

namespace tidewaiter::app {

/// What is to be written down when the store takes records again.
struct KeptWork {
  struct OfConnector {
    std::string cursor_before;  // as stored when the vigil began; "" = none
    WriterWork work;
  };
  std::map<std::string, OfConnector> connectors;
  std::vector<OwnRecord> access;  // reads that were answered meanwhile
};

class Vigil {
 public:
  /// Errors: the store cannot be read either, or has nothing in it.
  static Result<std::unique_ptr<Vigil>> begin(const store::Options& store,
                                              const std::vector<forward::ConnectorConfig>& connectors,
                                              const Clock& clock, Metrics& metrics);
  ~Vigil() { end(); }

  /// Stops the connectors and gives what they have settled; nothing the second time.
  std::map<std::string, KeptWork::OfConnector> end();
  std::vector<forward::Status> connectors() const;

 private:
  static constexpr std::size_t receipts_max = 4'096;  // of one connector; then it waits

  struct Connector {
    std::unique_ptr<ForwardStage> stage;
    std::jthread thread;
  };

  Vigil() = default;
  Result<void> add(const forward::ConnectorConfig& config, const store::Reader& reader,
                   store::PublishedHeads heads, const Clock& clock, Metrics& metrics);
  bool keep(const std::string& connector, WriterWork work);

  std::unique_ptr<CommitFeed> feed_;
  mutable std::mutex mutex_;
  std::condition_variable ended_;
  bool ending_ = false;
  std::map<std::string, KeptWork::OfConnector> kept_;
  std::vector<Connector> connectors_;
};

}  // namespace tidewaiter::app
