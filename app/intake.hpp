// Intake: the sources with their parsers and threads. It outlives the lives of the store: while there is no writer to
// hand to, the sources are paused and go on polling, so their group keeps them; with the next writer they read again
// from where the store ends, and what was under way is dropped.
// open(), connect(), disconnect() and stop() belong to the supervising thread; the rest may be called from any.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "app/pipeline.hpp"
#include "app/text_orders.hpp"
#include "app/writer.hpp"

namespace tidewaiter::app {

class Intake {
 public:
  Intake(const PipelineConfig& config, const Clock& clock, Metrics& metrics)
      : config_(config), clock_(clock), metrics_(metrics) {}
  ~Intake() { stop(); }

  /// Makes sources and parsers, the second time only what another policy or other tables ask for. Errors: settings that
  /// no source takes.
  Result<void> open(const PolicyText& policy, const TablesInForce& tables);
  /// From here everything read goes to this writer. The first call starts the threads.
  /// `orders`: what the store knows of header lines (app/text_orders.hpp).
  void connect(std::shared_ptr<Writer> writer, std::string store_id, TextOrders orders);
  /// The writer takes nothing any more: pause.
  void disconnect();
  /// Ends the threads; what they handed over is in the writer's queue. The sources stay until the end of this object,
  /// which gives them up after their last offset commit.
  void stop();

  /// For the writer: claim, committed, abandoned.
  std::vector<ingest::Source*> sources() const;
  using Enrichments = std::vector<std::shared_ptr<Enrich>>;  // by source
  Result<Enrichments> make_enrichments(const PolicyText& policy, const TablesInForce& tables) const;
  /// From the next batch on. `work` says so in the log, and is stored in or before the commit of that batch.
  void use(Enrichments enrichments, const PolicyText& policy, const TablesInForce& tables, WriterWork work);
  /// Goes into the metadata of offset commits.
  void set_newest_head(std::string note);
  /// To be called when an assignment shows a head of this store that is not the newest one; until disconnect().
  void on_unchecked_head(std::function<void()> alarm);
  bool finished() const;
  void fill(PipelineStatus& status) const;

 private:
  std::shared_ptr<Writer> writer() const;
  std::string recalled(const ingest::TextOrder& asked) const;
  /// Hands over what is to be recorded, and says what enriches the batches behind it.
  std::shared_ptr<Enrich> take_over(std::size_t index, Writer& writer);
  SourceContext context();
  std::string commit_metadata(const Origin& origin) const;
  void see_committed(std::string_view metadata);
  void run(std::size_t index, std::stop_token stop);
  std::unique_ptr<Batch> poll(ingest::Source& source, int timeout_ms, bool& complained);
  WriterWork understand(std::size_t index, Enrich& enrich, std::unique_ptr<Batch> batch);
  void hand_over(std::size_t index, Enrich& enrich, WriterWork work, const std::shared_ptr<Writer>& writer);

  const PipelineConfig& config_;
  const Clock& clock_;
  Metrics& metrics_;
  mutable std::mutex mutex_;
  std::shared_ptr<Writer> writer_;          // guarded, as everything down to the sources
  std::vector<store::Position> last_known_;  // of the writer before, while there is none
  std::string store_id_, newest_head_;
  std::function<void()> unchecked_head_;
  bool head_doubted_ = false;  // since that was called: what Kafka knows must not be written over
  Enrichments enrichments_;
  std::string in_force_;       // hashes of the policy and the tables that they were made with
  WriterWork asked_;
  TextOrders orders_;          // as stored when the writer of now began
  std::vector<std::unique_ptr<Parse>> parsers_;  // each its thread's
  std::vector<std::unique_ptr<ingest::Source>> sources_;
  std::vector<std::jthread> threads_;
  std::atomic<std::size_t> running_{0};
};

}  // namespace tidewaiter::app
