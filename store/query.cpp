#include "store/query.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <tuple>
#include <unordered_map>

#include "core/text.hpp"
#include "filter/filter.hpp"
#include "store/query_index.hpp"
#include "store/text_search.hpp"

namespace tidewaiter::store {

namespace {

constexpr RecordKind all_kinds[] = {RecordKind::event,    RecordKind::unmapped, RecordKind::reject,
                                    RecordKind::tombstone, RecordKind::conflict, RecordKind::alert,
                                    RecordKind::receipt,  RecordKind::access,   RecordKind::control};
constexpr std::uint64_t ordered_rows_max = 100'000;

Result<std::uint32_t> kind_mask(const std::vector<std::string>& words) {
  if (words.empty()) return ~std::uint32_t{0};
  std::vector<std::string_view> known;
  for (RecordKind kind : all_kinds) known.push_back(record_kind_name(kind));
  std::uint32_t mask = 0;
  for (const std::string& word : words) {
    bool found = false;
    for (RecordKind kind : all_kinds)
      if (word == record_kind_name(kind)) mask |= 1u << static_cast<unsigned>(kind), found = true;
    if (found) continue;
    const std::string_view near = nearest_word(word, known);
    return fail(Code::invalid_argument, "unknown kind of record '" + word + "'" +
                                            (near.empty() ? "" : "; did you mean '" + std::string(near) + "'?"));
  }
  return mask;
}

bool overlaps(std::int64_t min, std::int64_t max, std::int64_t from, std::int64_t last) {
  return min <= max && max >= from && min <= last;
}

struct TimeSpan {
  std::int64_t first = std::numeric_limits<std::int64_t>::min();
  std::int64_t last = std::numeric_limits<std::int64_t>::max();
};

bool parse_numbers(std::string_view text, std::array<std::uint64_t, 4>& out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out[i]);
    if (error != std::errc()) return false;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (i + 1 == out.size()) return text.empty();
    if (text.empty() || text.front() != '.') return false;
    text.remove_prefix(1);
  }
  return false;
}

}  // namespace

std::string QueryPlace::text() const {
  return std::to_string(commit) + "." + std::to_string(log) + "." + std::to_string(seq) + "." + std::to_string(sub);
}

std::optional<QueryPlace> QueryPlace::parse(std::string_view text) {
  std::array<std::uint64_t, 4> n{};
  if (!parse_numbers(text, n) || n[1] > 0xffff || n[3] > 0xffffffff) return std::nullopt;
  return QueryPlace{n[0], static_cast<std::uint16_t>(n[1]), n[2], static_cast<std::uint32_t>(n[3])};
}

struct Query::Plan {
  QuerySpec spec;
  filter::Filter filter;
  TextSearch text;
  std::vector<RowField> fields;
  std::uint32_t kinds = 0;
  TimeSpan span;         // of rows
  TimeSpan filter_span;  // of events, as the filter implies

  bool wants(const BlockSummary& block, bool own_log) const {
    if (!overlaps(block.min_time_ns, block.max_time_ns, span.first, span.last) &&
        !overlaps(block.min_receive_ns, block.max_receive_ns, span.first, span.last))
      return false;
    // Events from a source always have a time; records of our own may have columns without one.
    return own_log || filter.matches_everything() ||
           overlaps(block.min_time_ns, block.max_time_ns, filter_span.first, filter_span.last);
  }
  bool in_span(const Row& row) const {
    const std::int64_t time = row.time_ns();
    return time >= span.first && time <= span.last;
  }
  bool wants(const Row& row) const { return kinds >> static_cast<unsigned>(row.kind()) & 1; }
};

namespace {

bool is_own_log(std::string_view name) {
  return name == "alerts" || name == "receipts" || name == "access" || name == "control";
}

Result<std::vector<const LogInfo*>> chosen_logs(const Reader& reader, const std::vector<std::string>& names) {
  std::vector<const LogInfo*> chosen;
  std::vector<std::string_view> known;
  for (const LogInfo& log : reader.logs()) {
    known.push_back(log.name);
    if (names.empty()) chosen.push_back(&log);
  }
  for (const std::string& name : names) {
    const auto found = std::find(known.begin(), known.end(), name);
    if (found == known.end()) {
      const std::string_view near = nearest_word(name, known);
      std::string message = "no log '" + name + "' in this store";
      if (!near.empty()) message += "; did you mean '" + std::string(near) + "'?";
      return fail(Code::invalid_argument, message);
    }
    chosen.push_back(&reader.logs()[static_cast<std::size_t>(found - known.begin())]);
  }
  std::sort(chosen.begin(), chosen.end(), [](auto* a, auto* b) { return a->id < b->id; });
  chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
  return chosen;
}

/// One pass over the chosen logs in stored order; the visitor sees every matching row.
template <class PlanType>
class Pass {
 public:
  Pass(const PlanType& plan, const Reader& reader, const std::function<bool(const Row&)>& visit)
      : plan_(plan),
        reader_(reader),
        visit_(visit),
        terms_(reader, plan.filter.required_terms()),
        limit_(plan.spec.order == Order::stored ? plan.spec.limit : 0) {}

  /// Groups are cut after they are counted.
  void ignore_limit() { limit_ = 0; }

  Result<QueryOutcome> run() {
    TRY_ASSIGN(const std::vector<const LogInfo*> chosen, chosen_logs(reader_, plan_.spec.logs));
    TRY_ASSIGN(const std::vector<LogView> views, log_views(reader_));
    outcome_.logs.reserve(chosen.size());
    outcome_.commit = plan_.spec.after ? plan_.spec.after->commit : reader_.last_commit();
    for (const LogInfo* log : chosen) {
      for (const LogView& view : views)
        if (view.name == log->name) outcome_.logs.push_back(view), view_ = &outcome_.logs.back();
      if (!stopped_) TRY(scan(*log));
    }
    return std::move(outcome_);
  }

 private:
  Result<void> scan(const LogInfo& log) {
    std::uint64_t from = 0;
    if (const auto& after = plan_.spec.after) {
      if (log.id < after->log) return {};
      if (log.id == after->log) from = after->seq;
    }
    const std::uint64_t size = reader_.size(log.id);
    covered_ = view_->covered;
    if (from >= size) return {};
    reached_ = from;
    block_end_ = 0;
    while (true) {
      auto done = scan_from(log, from, size);
      if (done || !plan_.spec.skip_damaged || done.error().code != Code::corruption) return done;
      TRY_ASSIGN(from, behind_damage(log, std::max(from, reached_), size));
      outcome_.damaged.push_back({log.name, damaged_from_, from, std::move(done).error().message});
      if (from >= size) return {};
    }
  }

  Result<void> scan_from(const LogInfo& log, std::uint64_t from, std::uint64_t size) {
    const bool own = is_own_log(log.name);
    const auto want = [&](const BlockSummary& block) {
      reached_ = std::max(from, block.first_seq);
      last_block_was_read_ = false;
      block_end_ = block.first_seq + block.records;
      const bool yes = plan_.wants(block, own) &&
                       terms_.may_hold(block.log, block.first_seq, block.first_seq + block.records);
      outcome_.blocks_skipped += !yes;
      last_block_was_read_ = !yes;
      return yes;
    };
    return reader_.scan(log.id, from, size, plan_.spec.bodies || own || !plan_.text.finds_everything(), want,
                        [&](const StoredRecord& record) { return take(log, record); });
  }

  /// The first record behind the damage that a scan has met at `at`: behind the block that it was about to decode; and
  /// where not even the next block's place can be read, wherever a block is found again, in ever larger steps.
  Result<std::uint64_t> behind_damage(const LogInfo& log, std::uint64_t at, std::uint64_t size) {
    damaged_from_ = at;
    if (block_end_ > at) {
      const std::uint64_t end = std::exchange(block_end_, 0);
      if (!last_block_was_read_) return std::min(end, size);
      damaged_from_ = at = end;
    }
    for (std::uint64_t step = 64; at + step < size; step *= 2) {
      std::optional<std::uint64_t> found;
      const auto first = [&](const BlockSummary& block) {
        found = std::max(at, block.first_seq);
        return true;
      };
      auto probe = reader_.scan(log.id, at + step, size, false, first, [](const StoredRecord&) { return false; });
      if (probe && found) return *found;
      if (!probe && probe.error().code != Code::corruption) return std::move(probe).error();
    }
    return size;
  }

  bool take(const LogInfo& log, const StoredRecord& record) {
    last_block_was_read_ = true;
    if (record.commit > outcome_.commit) return false;  // the rest of this log is newer still
    if (plan_.spec.scan_records_max && outcome_.records_scanned >= plan_.spec.scan_records_max) {
      end_here(QueryPlace{outcome_.commit, log.id, record.record.seq, no_sub});
      return false;
    }
    ++outcome_.records_scanned;
    const auto wanted = [&](const Row& row) {
      return plan_.wants(row) && plan_.in_span(row) &&
             (plan_.filter.matches_everything() || (row.event && plan_.filter.matches(*row.event)));
    };
    std::optional<bool> found;  // the message is looked at once, and only when one of its rows may be given
    const auto take_row = [&](const Row& row) {
      if (!wanted(row)) return true;
      if (!found) found = plan_.text.finds_everything() || plan_.text.found_in(record.record.value);
      return !*found || give(log, row);
    };
    if (record.events.empty()) return take_row(Row{&record, nullptr});
    for (const Event& event : record.events)
      if (!take_row(Row{&record, &event})) return false;
    return true;
  }

  bool give(const LogInfo& log, const Row& row) {
    const std::uint64_t seq = row.record->record.seq;
    if (const auto& after = plan_.spec.after;
        after && after->log == log.id && after->seq == seq && after->sub != no_sub && row.sub() <= after->sub)
      return true;
    if (limit_ && outcome_.rows >= limit_) {
      end_here(last_);
      return false;
    }
    ++outcome_.rows;
    outcome_.rows_uncovered += seq >= covered_;
    last_ = {outcome_.commit, log.id, seq, row.sub()};
    if (visit_(row)) return true;
    end_here(last_);
    return false;
  }

  void end_here(const QueryPlace& place) {
    stopped_ = true;
    outcome_.limited = true;
    outcome_.next = place;
  }

  static constexpr std::uint32_t no_sub = 0xffffffff;  // nothing of this record was given yet
  const PlanType& plan_;
  const Reader& reader_;
  const std::function<bool(const Row&)>& visit_;
  IndexedTerms terms_;
  std::uint64_t limit_;
  QueryOutcome outcome_;
  const LogView* view_ = nullptr;
  std::uint64_t covered_ = 0;
  QueryPlace last_;
  std::uint64_t reached_ = 0, block_end_ = 0, damaged_from_ = 0;  // of the log under way
  bool last_block_was_read_ = false;
  bool stopped_ = false;
};

/// Keeps the places of the first rows by time, at most `limit`.
class TimeOrdered {
 public:
  TimeOrdered(Order order, std::uint64_t limit) : newest_(order == Order::newest_first), limit_(limit) {}

  void add(const Row& row) {
    const Key key{newest_ ? -row.time_ns() : row.time_ns(), row.record->record.log, row.record->record.seq, row.sub()};
    if (heap_.size() == limit_ && !(key < heap_.front())) return;
    if (heap_.size() == limit_) {
      std::pop_heap(heap_.begin(), heap_.end());
      heap_.pop_back();
    }
    heap_.push_back(key);
    std::push_heap(heap_.begin(), heap_.end());
  }

  Result<void> visit(const Reader& reader, const std::function<bool(const Row&)>& visit) {
    std::sort(heap_.begin(), heap_.end());
    for (const auto& [time, log, seq, sub] : heap_) {
      TRY_ASSIGN(const StoredRecord record, reader.record(log, seq));
      const Event* found = nullptr;
      for (const Event& event : record.events)
        if (event.sub == sub) found = &event;
      if (!visit(Row{&record, found})) break;
    }
    return {};
  }

 private:
  using Key = std::tuple<std::int64_t, std::uint16_t, std::uint64_t, std::uint32_t>;
  bool newest_;
  std::uint64_t limit_;
  std::vector<Key> heap_;
};

class Grouping {
 public:
  Grouping(const std::vector<RowField>& fields, std::uint64_t groups_max, std::uint64_t bytes_max)
      : fields_(fields), groups_max_(groups_max), bytes_max_(bytes_max) {}

  void add(const Row& row) {
    key_.clear();
    for (const RowField& field : fields_) {
      field.append_text(key_, row);
      key_ += '\0';
    }
    auto it = groups_.find(key_);
    if (it == groups_.end()) {
      if (groups_.size() >= groups_max_ || bytes_ + key_.size() > bytes_max_) {
        ++other_rows_;
        return;
      }
      bytes_ += key_.size();
      it = groups_.emplace(key_, Group{{}, 0, 0, row.time_ns(), row.time_ns()}).first;
    }
    Group& group = it->second;
    ++group.count;
    if (row.event) group.bytes_out += row.event->get(Num::bytes_out);
    group.first_ns = std::min(group.first_ns, row.time_ns());
    group.last_ns = std::max(group.last_ns, row.time_ns());
  }

  std::vector<Group> sorted() {
    std::vector<Group> out;
    out.reserve(groups_.size());
    for (auto& [key, group] : groups_) {
      for (std::size_t at = 0; at < key.size();) {
        const std::size_t end = key.find('\0', at);
        group.key.push_back(key.substr(at, end - at));
        at = end + 1;
      }
      out.push_back(std::move(group));
    }
    std::sort(out.begin(), out.end(), [](const Group& a, const Group& b) {
      return a.count != b.count ? a.count > b.count : a.key < b.key;
    });
    return out;
  }
  std::uint64_t other_rows() const { return other_rows_; }

 private:
  const std::vector<RowField>& fields_;
  std::uint64_t groups_max_, bytes_max_, bytes_ = 0, other_rows_ = 0;
  std::string key_;
  std::unordered_map<std::string, Group> groups_;
};

}  // namespace

Result<std::vector<LogView>> log_views(const Reader& reader) {
  std::vector<LogView> views;
  for (const LogInfo& log : reader.logs()) {
    LogView view{log.name, reader.size(log.id), 0, 0};
    TRY_ASSIGN(const std::vector<Head> heads, reader.heads(log.id));
    if (!heads.empty()) {
      view.covered = heads.back().size;
      view.head_time_ns = heads.back().time_ns;
    }
    views.push_back(std::move(view));
  }
  return views;
}

Query::Query(std::shared_ptr<const Plan> plan) : plan_(std::move(plan)) {}

const QuerySpec& Query::spec() const { return plan_->spec; }

Result<Query> Query::compile(QuerySpec spec) {
  auto plan = std::make_shared<Plan>();
  TRY_ASSIGN(plan->filter, filter::Filter::compile(spec.where, spec.now_ns));
  TRY_ASSIGN(plan->text, TextSearch::compile(spec.texts, spec.mask));
  TRY_ASSIGN(plan->kinds, kind_mask(spec.kinds));
  for (const std::string& name : spec.by) {
    TRY_ASSIGN(RowField field, RowField::parse(name));
    plan->fields.push_back(std::move(field));
  }
  if (spec.order != Order::stored && (spec.limit == 0 || spec.limit > ordered_rows_max))
    return fail(Code::invalid_argument, "an order by time needs a limit of at most " + std::to_string(ordered_rows_max));
  if (spec.from_ns && spec.to_ns && *spec.from_ns >= *spec.to_ns)
    return fail(Code::invalid_argument, "the end of the time span is not after its beginning");
  if (spec.from_ns) plan->span.first = *spec.from_ns;
  if (spec.to_ns) plan->span.last = *spec.to_ns - 1;
  std::tie(plan->filter_span.first, plan->filter_span.last) = plan->filter.time_range();
  plan->spec = std::move(spec);
  return Query(std::move(plan));
}

Result<QueryOutcome> Query::run(const Reader& reader, const std::function<bool(const Row&)>& visit) const {
  const QuerySpec& spec = plan_->spec;
  if (spec.order == Order::stored) return Pass<Plan>(*plan_, reader, visit).run();
  TimeOrdered ordered(spec.order, spec.limit);
  const std::function<bool(const Row&)> keep = [&](const Row& row) {
    ordered.add(row);
    return true;
  };
  TRY_ASSIGN(QueryOutcome outcome, Pass<Plan>(*plan_, reader, keep).run());
  outcome.limited = outcome.rows > spec.limit || outcome.next.has_value();
  outcome.next.reset();
  TRY(ordered.visit(reader, visit));
  return outcome;
}

Result<QueryOutcome> Query::groups(const Reader& reader, std::vector<Group>& out) const {
  Grouping grouping(plan_->fields, plan_->spec.groups_max, plan_->spec.group_bytes_max);
  const std::function<bool(const Row&)> add = [&](const Row& row) {
    grouping.add(row);
    return true;
  };
  Pass<Plan> pass(*plan_, reader, add);
  pass.ignore_limit();
  TRY_ASSIGN(QueryOutcome outcome, pass.run());
  out = grouping.sorted();
  outcome.rows_in_other_groups = grouping.other_rows();
  if (plan_->spec.limit && out.size() > plan_->spec.limit) {
    out.resize(plan_->spec.limit);
    outcome.limited = true;
  }
  return outcome;
}

}  // namespace tidewaiter::store
