#include "app/writer.hpp"

#include <iterator>
#include <utility>

#include "core/log_line.hpp"

namespace tidewaiter::app {
namespace {

constexpr int snapshots_kept = 8;
constexpr int busy_rounds_per_seal = 5;

template <class T>
void move_append(std::vector<T>& to, std::vector<T>& from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

}  // namespace

OwnRecord control_record(std::string json, std::int64_t time_ns) {
  OwnRecord record;
  record.kind = RecordKind::control;
  record.body = std::move(json);
  record.time_ns = time_ns;
  return record;
}

Writer::Writer(WriterConfig config, store::Log& log, CommitFeed& feed, std::vector<ingest::Source*> sources,
               const Clock& clock)
    : config_(config),
      log_(log),
      feed_(feed),
      sources_(std::move(sources)),
      clock_(clock),
      queue_(config.queue_items_max),
      ticker_(config.ticker),
      positions_(log.positions()),
      checkpoint_tried_ns_(clock.now_ns()),
      last_checkpoint_ns_(clock.now_ns()) {}

Result<void> Writer::run() {
  while (true) {
    busy_.store(true);
    std::optional<WriterWork> work = std::exchange(held_back_, std::nullopt);
    if (!work) work = queue_.pop_for(std::chrono::milliseconds(0));
    if (!work) {
      TRY(settle());
      busy_.store(false);
      work = queue_.pop_for(std::chrono::milliseconds(20));
      busy_.store(work.has_value());
    }
    if (work) TRY(commit(gather(std::move(*work))));
    busy_.store(held_back_.has_value() || flying_);
    TRY(run_timers());
    if (!work && queue_.drained()) break;
  }
  return publish_checkpoint();
}

WriterWork Writer::gather(WriterWork first) {
  while (true) {
    auto next = queue_.pop_for(std::chrono::milliseconds(0));
    if (!next) return first;
    if (first.batch && (next->batch || next->fence)) {
      held_back_ = std::move(next);
      return first;
    }
    if (next->batch) {
      first.batch = std::move(next->batch);
      first.source = next->source;
    }
    move_append(first.control, next->control);
    move_append(first.own, next->own);
    move_append(first.cursors, next->cursors);
    move_append(first.durable, next->durable);
    for (const auto& [name, count] : next->connector_counts) first.connector_counts[name] += count;
    if (next->snapshot) first.snapshot = std::move(next->snapshot);
  }
}

/// A snapshot counts the alerts that were handed over before it: they are durable first.
Result<void> Writer::commit(WriterWork work) {
  const std::optional<SnapshotPut> snapshot = std::exchange(work.snapshot, std::nullopt);
  TRY(commit_records(std::move(work)));
  if (!snapshot) return {};
  TRY(settle());
  return log_.put_snapshot(snapshot->name, snapshot->commit, snapshot->state, snapshots_kept);
}

Result<void> Writer::commit_records(WriterWork work) {
  if (work.cursors_only()) {
    TRY(settle());
    return work.cursors.empty() ? Result<void>() : log_.put_cursors(work.cursors);
  }
  Flying made;
  if (work.batch) {
    made.source = sources_[work.source];
    made.source->claim(*work.batch);
    announce_partitions(*made.source, work);
    made.ends = ingest::ends_of(*work.batch);
  }
  return append_commit(std::move(work), std::move(made));
}

void Writer::announce_partitions(ingest::Source& source, WriterWork& work) {
  std::vector<std::pair<const Origin*, std::uint32_t>> assigned;
  for (const ingest::PartitionStatus& p : source.status().partitions)
    assigned.emplace_back(intern_origin(p.cluster, p.topic_id, p.topic), p.partition);
  const std::int64_t now = clock_.now_ns();
  if (auto tick = ticker_.announce(assigned, now)) work.control.push_back(control_record(std::move(*tick), now));
}

void Writer::tell_ends() {
  for (ingest::Source* source : sources_)
    for (const ingest::PartitionStatus& p : source->status().partitions)
      ticker_.set_at_end(intern_origin(p.cluster, p.topic_id, p.topic), p.partition, p.at_end);
}

/// Begins to write a commit; the one before it is durable when this returns.
Result<void> Writer::append_commit(WriterWork work, Flying made) {
  made.waiting = std::move(work.durable);
  auto commit = log_.append(std::move(work.batch), std::move(work.control), std::move(work.own),
                            std::move(work.cursors), std::move(work.connector_counts));
  if (!commit) {
    abandon(made);
    return std::move(commit).error();
  }
  if ((*commit)->number == 0) {  // counters and cursors alone
    TRY(settle());
    if (made.source != nullptr) made.source->committed(made.ends);
    return {};
  }
  if (flying_) finish(*std::exchange(flying_, std::nullopt));
  made.commit = std::move(*commit);
  flying_ = std::move(made);
  return {};
}

Result<void> Writer::settle() {
  if (!flying_) return {};
  if (auto durable = log_.settle(); !durable) {
    abandon({});
    return durable;
  }
  finish(*std::exchange(flying_, std::nullopt));
  return {};
}

/// A commit is durable: now everybody may know of it.
void Writer::finish(Flying made) {
  {
    std::lock_guard lock(positions_mutex_);
    positions_ = log_.positions();
  }
  for (auto& waiting : made.waiting) waiting.set_value(made.commit->number);
  const std::int64_t now = clock_.now_ns();
  last_commit_ns_.store(now);
  ticker_.observe(*made.commit, now);
  feed_.append(std::move(made.commit));
  if (made.source != nullptr) made.source->committed(made.ends);
}

void Writer::abandon(const Flying& made) {
  if (made.source != nullptr) made.source->abandoned();
  if (flying_ && flying_->source != nullptr) flying_->source->abandoned();
  flying_.reset();
}

Result<void> Writer::run_timers() {
  const std::int64_t now = clock_.now_ns();
  std::optional<std::string> tick;
  if (end_of_input_.load() && idle() && !held_back_) {
    end_of_input_.store(false);
    tick = ticker_.end_of_input();
  } else {
    if (ticker_.suspects_idle(now)) tell_ends();
    tick = ticker_.due(now);
  }
  if (tick) {
    WriterWork work;
    work.control.push_back(control_record(std::move(*tick), now));
    TRY(append_commit(std::move(work), {}));
  }
  if (now - checkpoint_tried_ns_ >= config_.checkpoint_interval_ms * 1'000'000) TRY(publish_checkpoint());
  return seal_a_little();
}

// Packing is for quiet moments; under a load that never pauses it gets its turn now and then, so that it keeps up.
Result<void> Writer::seal_a_little() {
  if (queue_.size() > 0 && ++busy_rounds_ < busy_rounds_per_seal) return {};
  busy_rounds_ = 0;
  if (auto sealed = log_.seal_one_segment(); !sealed) return std::move(sealed).error();
  return {};
}

Result<void> Writer::publish_checkpoint() {
  TRY(settle());
  const std::uint64_t before = log_.last_commit();
  TRY_ASSIGN(const std::vector<store::Head> heads, log_.publish_checkpoint());
  // The coverage record is a commit like any other: followers pass through it.
  if (log_.last_commit() != before) {
    TRY_ASSIGN(auto reader, store::Reader::open(log_));
    TRY_ASSIGN(CommitPtr commit, reader->commit(log_.last_commit(), true));
    feed_.append(std::move(commit));
    checkpoints_.fetch_add(1);
  }
  checkpoint_tried_ns_ = clock_.now_ns();
  note_head_files();
  if (log_.head_files_error()) return {};
  last_checkpoint_ns_.store(checkpoint_tried_ns_);
  if (on_checkpoint_) on_checkpoint_(heads);
  return {};
}

// Heads that cannot be put outside are an alarm, but no reason to take nothing any more.
void Writer::note_head_files() {
  const std::string now = log_.head_files_error() ? log_.head_files_error()->message : "";
  std::lock_guard lock(positions_mutex_);
  if (now == head_files_problem_) return;
  if (!now.empty())
    log_line(Level::error, "alarm: head files cannot be written, and no head is sent anywhere", {{"reason", now}});
  else
    log_line(Level::info, "head files are written again");
  head_files_problem_ = now;
}

}  // namespace tidewaiter::app
