#include "app/intake.hpp"

#include <algorithm>

#include "core/log_line.hpp"
#include "core/thread_name.hpp"

namespace tidewaiter::app {

using std::chrono::milliseconds;

namespace {

std::string hashes_of(const PolicyText& policy, const TablesInForce& tables) {
  std::string hashes = policy.hash + " " + policy.trust_hash;
  for (const TableText& table : tables.texts) hashes += " " + table.hash;
  return hashes;
}

}  // namespace

Result<void> Intake::open(const PolicyText& policy, const TablesInForce& tables) {
  if (sources_.empty()) {
    TRY_ASSIGN(sources_, config_.make_sources(context()));
    for (std::size_t i = 0; i < sources_.size(); ++i) {
      TRY_ASSIGN(auto parser, config_.make_parser(metrics_));
      parser->recall_orders_by([this](const ingest::TextOrder& asked) { return std::optional(recalled(asked)); }, false);
      parsers_.push_back(std::move(parser));
    }
  }
  {
    std::lock_guard lock(mutex_);
    if (!enrichments_.empty() && in_force_ == hashes_of(policy, tables)) return {};
  }
  TRY_ASSIGN(auto enrichments, make_enrichments(policy, tables));
  use(std::move(enrichments), policy, tables, {});  // the life that begins records what is new
  return {};
}

SourceContext Intake::context() {
  SourceContext context;
  context.position_for = [this](const Origin& origin, std::uint32_t partition) -> std::optional<std::uint64_t> {
    const std::shared_ptr<Writer> now = writer();
    std::vector<store::Position> positions;
    if (now) {
      positions = now->positions();
    } else {
      std::lock_guard lock(mutex_);
      positions = last_known_;
    }
    for (const store::Position& p : positions)
      if (p.cluster == origin.cluster && p.topic_id == origin.topic_id && p.partition == partition &&
          (p.topic == origin.topic || origin.topic_id != TopicId{}))
        return p.next_offset;
    return std::nullopt;
  };
  context.commit_metadata = [this](const Origin& origin) { return commit_metadata(origin); };
  context.committed_metadata = [this](std::string_view metadata) { see_committed(metadata); };
  context.record_control = [this](std::string json) {
    std::lock_guard lock(mutex_);
    asked_.control.push_back(control_record(std::move(json), clock_.now_ns()));
  };
  context.clock = &clock_;
  context.metrics = &metrics_;
  return context;
}

std::string Intake::recalled(const ingest::TextOrder& asked) const {
  std::lock_guard lock(mutex_);
  const auto found = orders_.find(order_cursor(asked));
  return found == orders_.end() ? std::string() : found->second;
}

void Intake::connect(std::shared_ptr<Writer> writer, std::string store_id, TextOrders orders) {
  {
    std::lock_guard lock(mutex_);
    orders_ = std::move(orders);
    writer_ = std::move(writer);
    store_id_ = std::move(store_id);
    head_doubted_ = false;
  }
  if (!threads_.empty()) return;
  running_.store(sources_.size());
  for (std::size_t i = 0; i < sources_.size(); ++i)
    threads_.emplace_back([this, i](std::stop_token stop) {
      name_thread("source " + std::to_string(i));
      run(i, stop);
      running_.fetch_sub(1);
    });
}

void Intake::disconnect() {
  const std::shared_ptr<Writer> before = writer();
  if (!before) return;
  std::vector<store::Position> positions = before->positions();
  std::lock_guard lock(mutex_);
  last_known_ = std::move(positions);
  writer_.reset();
  unchecked_head_ = nullptr;
}

void Intake::stop() {
  for (auto& thread : threads_) thread.request_stop();
  threads_.clear();
}

std::vector<ingest::Source*> Intake::sources() const {
  std::vector<ingest::Source*> borrowed;
  for (const auto& source : sources_) borrowed.push_back(source.get());
  return borrowed;
}

Result<Intake::Enrichments> Intake::make_enrichments(const PolicyText& policy, const TablesInForce& tables) const {
  Enrichments made;
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    TRY_ASSIGN(auto enrich, config_.make_enrichment(policy, tables, metrics_));
    made.push_back(std::move(enrich));
  }
  return made;
}

void Intake::use(Enrichments enrichments, const PolicyText& policy, const TablesInForce& tables, WriterWork work) {
  std::lock_guard lock(mutex_);
  enrichments_ = std::move(enrichments);
  in_force_ = hashes_of(policy, tables);
  for (OwnRecord& record : work.control) asked_.control.push_back(std::move(record));
  for (CursorUpdate& cursor : work.cursors) asked_.cursors.push_back(std::move(cursor));
  asked_.fence = asked_.fence || work.fence;
}

void Intake::set_newest_head(std::string note) {
  std::lock_guard lock(mutex_);
  newest_head_ = std::move(note);
}

void Intake::on_unchecked_head(std::function<void()> alarm) {
  std::lock_guard lock(mutex_);
  unchecked_head_ = std::move(alarm);
}

void Intake::see_committed(std::string_view text) {
  std::lock_guard lock(mutex_);
  if (!unchecked_head_) return;
  const auto metadata = read_commit_metadata(text);
  if (!metadata || metadata->store_id != store_id_ || metadata->head.empty() || metadata->head == newest_head_) return;
  head_doubted_ = true;
  std::exchange(unchecked_head_, nullptr)();
}

bool Intake::finished() const {
  return running_.load() == 0 &&
         std::all_of(sources_.begin(), sources_.end(), [](const auto& source) { return source->finished(); });
}

void Intake::fill(PipelineStatus& status) const {
  for (const auto& source : sources_) status.sources.push_back(source->status());
  status.sources_finished = finished();
}

std::shared_ptr<Writer> Intake::writer() const {
  std::lock_guard lock(mutex_);
  return writer_;
}

std::string Intake::commit_metadata(const Origin& origin) const {
  std::lock_guard lock(mutex_);
  if (head_doubted_) return {};
  return write_commit_metadata({store_id_, origin.topic_id, newest_head_});
}

void Intake::run(std::size_t index, std::stop_token stop) {
  ingest::Source& source = *sources_[index];
  std::shared_ptr<Writer> last = writer();
  bool complained = false;
  while (!stop.stop_requested() && !source.finished()) {
    const std::shared_ptr<Writer> now = writer();
    if (!now) {
      source.pause();
      poll(source, 100, complained);  // what comes nevertheless is read again later
      continue;
    }
    if (now != last) {
      last = now;
      parsers_[index]->forget_orders();  // what was dropped may have had header lines
      source.resume();
      if (auto again = source.restart(); !again)
        log_line(Level::error, "source cannot read again from where the store ends: " + again.error().message);
    }
    auto batch = poll(source, 100, complained);
    const std::shared_ptr<Enrich> enrich = take_over(index, *now);
    if (!batch) continue;
    hand_over(index, *enrich, understand(index, *enrich, std::move(batch)), now);
  }
}

std::unique_ptr<Batch> Intake::poll(ingest::Source& source, int timeout_ms, bool& complained) {
  auto polled = source.poll(timeout_ms);
  if (polled) {
    complained = false;
    return std::move(*polled);
  }
  if (!std::exchange(complained, true))
    log_line(Level::warn, "source: " + polled.error().message, {{"code", code_name(polled.error().code)}});
  std::this_thread::sleep_for(milliseconds(100));
  return nullptr;
}

// A source asks for control records in the middle of poll(), where it must not wait for the writer. What enriches changes
// together with the record that says so.
std::shared_ptr<Enrich> Intake::take_over(std::size_t index, Writer& writer) {
  WriterWork work;
  std::shared_ptr<Enrich> enrich;
  {
    std::lock_guard lock(mutex_);
    work = std::exchange(asked_, {});
    enrich = enrichments_[index];
  }
  if (!work.control.empty()) writer.submit(std::move(work));
  return enrich;
}

/// The batch as the writer takes it: what header lines in it say becomes durable together with it.
WriterWork Intake::understand(std::size_t index, Enrich& enrich, std::unique_ptr<Batch> batch) {
  parsers_[index]->judge_by(enrich.trust());
  parsers_[index]->parse(*batch);
  enrich.apply(*batch);
  WriterWork work;
  work.batch = std::move(batch);
  work.source = index;
  for (ingest::TextOrder& order : parsers_[index]->take_orders())
    work.cursors.push_back({order_cursor(order), std::move(order.header)});
  return work;
}

// A full queue pauses the source; polling goes on, so the broker does not think that we are dead.
void Intake::hand_over(std::size_t index, Enrich& enrich, WriterWork work, const std::shared_ptr<Writer>& to) {
  ingest::Source& source = *sources_[index];
  if (to->submit_for(work, milliseconds(50))) return;
  source.pause();
  bool complained = false;
  std::vector<WriterWork> waiting;
  waiting.push_back(std::move(work));
  while (!waiting.empty() && writer() == to) {
    if (to->submit_for(waiting.front(), milliseconds(50))) {
      waiting.erase(waiting.begin());
      continue;
    }
    // What was under way before the pause took effect: at most a few batches.
    if (auto more = poll(source, 0, complained)) waiting.push_back(understand(index, enrich, std::move(more)));
  }
  if (waiting.empty()) source.resume();
}

}  // namespace tidewaiter::app
