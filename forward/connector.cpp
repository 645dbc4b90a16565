#include "forward/connector.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <limits>
#include <random>

#include "core/check.hpp"
#include "core/log_line.hpp"
#include "core/text.hpp"
#include "forward/courier.hpp"
#include "forward/cursor.hpp"
#include "forward/receipt.hpp"
#include "forward/selection.hpp"
#include "forward/sink.hpp"

namespace tidewaiter::forward {
namespace {

constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t cursor_interval_ns = 1'000'000'000;  // of a cursor that moves over nothing but unwanted records
constexpr std::size_t encode_items = 256;                   // encoded at once: memory past the bound

std::uint64_t system_seed() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

Result<void> check_limits(const ConnectorConfig& config, Settings& settings) {
  const auto name_ok = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  };
  if (config.name.empty() || config.name.size() > 64 || !std::all_of(config.name.begin(), config.name.end(), name_ok))
    settings.wrong("name", "expected 1 to 64 letters, digits, '-', '_' or '.', got '" + config.name + "'");
  if (config.batch_items_max == 0) settings.wrong("batch_items_max", "must be at least 1");
  if (config.batch_bytes_max < 1024) settings.wrong("batch_bytes_max", "must be at least 1024");
  if (config.pending_items_max < config.batch_items_max)
    settings.wrong("pending_items_max", "must be at least batch_items_max");
  if (config.pending_bytes_max < config.batch_bytes_max)
    settings.wrong("pending_bytes_max", "must be at least batch_bytes_max");
  if (config.select_alerts == "off" && config.select_events == "off" && !config.select_checkpoints)
    settings.wrong("select_alerts", "alerts, events and checkpoints are all off: nothing would ever be sent");
  return {};
}

CourierOptions courier_options(const ConnectorConfig& config, Settings& settings) {
  const auto ns = [&](const char* key, std::uint64_t ms, std::uint64_t low, std::uint64_t high) {
    return static_cast<std::int64_t>(settings.number(key, ms, low, high)) * 1'000'000;
  };
  CourierOptions options;
  options.batch_items_max = config.batch_items_max;
  options.batch_bytes_max = config.batch_bytes_max;
  options.tickets_max = settings.number("unconfirmed_batches_max", 32, 1, 10'000);
  options.probe_interval_ns = ns("probe_interval_ms", 30'000, 1, 3'600'000);
  options.refused_run_max = static_cast<std::uint32_t>(settings.number("refused_run_max", 100, 0, 1'000'000));
  options.backoff.base_ns = ns("retry_base_ms", 500, 1, 60'000);
  options.backoff.cap_ns = ns("retry_cap_ms", 300'000, 1, 3'600'000);
  return options;
}

struct Instruments {
  Counter &delivered, &dead_lettered, &redelivered, &requests, &retries;
  Gauge &pending, &pending_bytes, &oldest_seconds, &parked;
  std::array<Counter*, risk_tiers> sampled_out;
  std::array<Gauge*, risk_tiers> rates;

  Instruments(Metrics& metrics, const std::string& name)
      : delivered(items(metrics, name, "delivered")),
        dead_lettered(items(metrics, name, "dead_lettered")),
        redelivered(items(metrics, name, "redelivered")),
        requests(metrics.counter("tidewaiter_connector_requests_total", "Network calls to the receiver", label(name))),
        retries(metrics.counter("tidewaiter_connector_retries_total", "Calls that had to be made again", label(name))),
        pending(metrics.gauge("tidewaiter_connector_pending_items", "Offered and not settled", label(name))),
        pending_bytes(metrics.gauge("tidewaiter_connector_pending_bytes", "Encoded items in memory", label(name))),
        oldest_seconds(metrics.gauge("tidewaiter_connector_oldest_unconfirmed_seconds",
                                     "Age of the oldest item that the receiver has not confirmed", label(name))),
        parked(metrics.gauge("tidewaiter_connector_parked", "1 while the sink waits for a person", label(name))) {
    for (std::size_t tier = 0; tier < risk_tiers; ++tier) {
      const Labels labels{{"connector", name}, {"risk_tier", std::string(enums::risk_tier.word(tier))}};
      sampled_out[tier] = &metrics.counter("tidewaiter_connector_sampled_out_total", "Selected events that sampling kept back", labels);
      rates[tier] = &metrics.gauge("tidewaiter_connector_forward_rate", "Share of the keys that is forwarded", labels);
    }
  }

  static Labels label(const std::string& name) { return {{"connector", name}}; }
  static Counter& items(Metrics& metrics, const std::string& name, const char* outcome) {
    return metrics.counter("tidewaiter_connector_items_total", "Items settled, by outcome",
                           {{"connector", name}, {"outcome", outcome}});
  }
};

}  // namespace

const char* state_name(Status::State state) {
  switch (state) {
    case Status::State::idle: return "idle";
    case Status::State::sending: return "sending";
    case Status::State::retrying: return "retrying";
    case Status::State::parked: return "parked";
  }
  return "unknown";
}

struct Connector::State {
  State(ConnectorConfig config_in, std::vector<std::string> names, const Clock& clock_in, Metrics& metrics,
        Selection selection_in, std::unique_ptr<Sink> sink_in, CourierOptions options, std::uint64_t seed)
      : config(std::move(config_in)),
        log_names(std::move(names)),
        clock(clock_in),
        selection(std::move(selection_in)),
        sink(std::move(sink_in)),
        courier(options, seed),
        instruments(metrics, config.name) {
    show_rates();
  }

  ConnectorConfig config;
  std::vector<std::string> log_names;
  const Clock& clock;
  Selection selection;
  std::unique_ptr<Sink> sink;
  Courier courier;
  Instruments instruments;

  CommitPtr commit;       // being walked; the only one pinned
  bool sends_head = false;     // of this commit
  bool has_news = true;        // records that no head sent so far covers; not known at the start
  Place scan;             // where to go on in the stream of commits
  Place handed_out;       // newest cursor that step() or take_rest() gave away
  std::int64_t handed_out_ns = 0;
  // Counted where they happen, apart from each other: their balance is a check and no definition.
  std::uint64_t offered = 0, delivered = 0, dead_lettered = 0, expired = 0, redelivered = 0, sampled_out = 0;
  LeftOut left_out;  // not behind a cursor that was handed out yet
  struct InForce {
    std::uint64_t from_commit;
    Sampling sampling;
  };
  std::deque<InForce> in_force{{0, Sampling()}};  // from what holds at the cursor to what holds at `scan`
  std::int64_t last_confirmed_ns = 0;
  std::uint64_t retries_seen = 0;
  Status::State last_state = Status::State::idle;
  std::string last_reason;

  bool has_room() const {
    return courier.pending() < config.pending_items_max && courier.pending_bytes() < config.pending_bytes_max;
  }
  Place cursor() const { return courier.oldest() != nullptr ? courier.oldest()->place : scan; }

  /// Own receipts are no news, or an idle service would go on for ever telling of them.
  void take(CommitPtr offered_commit, bool head_is_public) {
    commit = std::move(offered_commit);
    const auto is_news = [](const Record& r) { return r.kind != RecordKind::control && r.kind != RecordKind::receipt; };
    has_news = has_news || std::any_of(commit->records.begin(), commit->records.end(), is_news);
    for (const Record& record : commit->records)
      if (record.kind == RecordKind::control)
        if (auto sampling = Sampling::of_record(record.value)) put_in_force(commit->number, *sampling);
    sends_head = config.select_checkpoints && head_is_public && has_news && !commit->head.empty();
    if (sends_head) has_news = false;
  }

  void begin_with(const Sampling& sampling) {
    in_force.clear();
    in_force.push_back({0, sampling});
    show_rates();
  }

  void show_rates() {
    for (std::size_t tier = 0; tier < risk_tiers; ++tier)
      instruments.rates[tier]->set(in_force.back().sampling.forward_rate(tier));
  }

  /// Control records stand before a commit's events, and a commit that is walked again puts it in force again.
  void put_in_force(std::uint64_t from_commit, const Sampling& sampling) {
    if (!(in_force.back().sampling == sampling)) in_force.push_back({from_commit, sampling});
    show_rates();
  }

  void count_left_out(const LeftOut::ByTier& before) {
    for (std::size_t tier = 0; tier < risk_tiers; ++tier) {
      const std::uint64_t count = left_out.total()[tier] - before[tier];
      sampled_out += count;
      instruments.sampled_out[tier]->add(count);
    }
    if (config.redelivery) left_out.clear();  // no cursor will come that they are counted with
  }

  void fill() {
    while (commit && has_room()) {
      std::vector<Envelope> envelopes;
      const std::size_t room = std::min(encode_items, config.pending_items_max - courier.pending());
      const LeftOut::ByTier before = left_out.total();
      const bool whole = selection.take(*commit, log_names, sends_head, in_force.back().sampling, scan, room, envelopes, left_out);
      count_left_out(before);
      std::vector<std::string> encoded;
      encoded.reserve(envelopes.size());
      sink->encode(envelopes, encoded);
      for (std::size_t i = 0; i < envelopes.size(); ++i) {
        const Envelope& from = envelopes[i];
        courier.add({from.place, item_uid(from), std::move(encoded[i]), from.commit_time_ns, std::string(from.log),
                     from.seq, from.sub});
      }
      offered += envelopes.size();
      if (!whole) continue;
      scan = {commit->number + 1, 0, 0};
      commit.reset();
    }
  }

  void act() {
    const Action action = courier.next(clock.now_ns());
    if (action.kind == Action::Kind::send) {
      instruments.requests.add();
      courier.answered(sink->send(action.batch), clock.now_ns());
    } else if (action.kind == Action::Kind::confirm) {
      instruments.requests.add();
      courier.confirmed(sink->confirm(action.tickets), clock.now_ns());
    }
  }

  void settle(StepResult& result) {
    for (const Settled& settled : courier.take_settled()) {
      const std::uint64_t count = settled.items.size();
      const bool dead = settled.how == Settled::How::quarantined;
      const std::int64_t now_ns = clock.now_ns();
      result.receipts.push_back(make_receipt(settled, config.name, config.redelivery, now_ns));
      if (!dead) last_confirmed_ns = now_ns;
      if (config.redelivery) {
        (dead ? dead_lettered : redelivered) += count;
        if (!dead) result.counts[config.name + "/redelivered"] += count;
        instruments.redelivered.add(dead ? 0 : count);
        continue;
      }
      result.counts[config.name + "/offered"] += count;
      result.counts[config.name + (dead ? "/dead_lettered" : "/delivered")] += count;
      (dead ? dead_lettered : delivered) += count;
      (dead ? instruments.dead_lettered : instruments.delivered).add(count);
      if (dead)
        log_line(Level::warn, "item quarantined", {{"connector", config.name}, {"uid", settled.items.front().uid},
                                                   {"reason", settled.answer.reason}});
    }
  }

  void hand_out_cursor(StepResult& result) {
    if (config.redelivery || cursor() == handed_out) return;
    const std::int64_t now_ns = clock.now_ns();
    const bool soon = now_ns - handed_out_ns < cursor_interval_ns && now_ns >= handed_out_ns;
    if (result.receipts.empty() && soon) {
      result.call_again_ns = std::min(result.call_again_ns, handed_out_ns + cursor_interval_ns);
      return;
    }
    make_cursor(result);
    handed_out_ns = now_ns;
  }

  /// What was left out before the cursor is counted with it: neither is stored without the other.
  void make_cursor(StepResult& result) {
    handed_out = cursor();
    while (in_force.size() > 1 && in_force[1].from_commit <= handed_out.commit) in_force.pop_front();
    const LeftOut::ByTier counts = left_out.take_before(handed_out);
    for (std::size_t tier = 0; tier < risk_tiers; ++tier)
      if (counts[tier] > 0)
        result.counts[config.name + "/sampled_out/" + std::string(enums::risk_tier.word(tier))] += counts[tier];
    result.cursor = {Connector::cursor_name(config.name), write_cursor(handed_out, in_force.front().sampling, config.name)};
  }

  std::int64_t call_again() {
    const std::int64_t now_ns = clock.now_ns();
    const Action action = courier.next(now_ns);
    switch (action.kind) {
      case Action::Kind::send:
      case Action::Kind::confirm: return now_ns;
      case Action::Kind::wait: return action.at_ns;
      case Action::Kind::nothing: return never;
    }
    return never;
  }

  Status::State state() const {
    if (courier.parked()) return Status::State::parked;
    if (courier.retrying()) return Status::State::retrying;
    return courier.pending() > 0 || commit ? Status::State::sending : Status::State::idle;
  }

  void report() {
    const Status::State now = state();
    const bool bad = now == Status::State::parked || now == Status::State::retrying;
    const bool was_bad = last_state == Status::State::parked || last_state == Status::State::retrying;
    if (bad && (now != last_state || courier.reason() != last_reason))
      log_line(Level::warn, now == Status::State::parked ? "connector parked" : "connector retries",
               {{"connector", config.name}, {"reason", courier.reason()}});
    if (!bad && was_bad) log_line(Level::info, "connector delivers again", {{"connector", config.name}});
    last_state = now;
    last_reason = courier.reason();
    instruments.retries.add(courier.retries() - retries_seen);
    retries_seen = courier.retries();
    instruments.pending.set(static_cast<double>(courier.pending()));
    instruments.pending_bytes.set(static_cast<double>(courier.pending_bytes()));
    instruments.parked.set(courier.parked() ? 1 : 0);
    const std::int64_t oldest = oldest_pending_ns();
    instruments.oldest_seconds.set(oldest == 0 ? 0 : static_cast<double>(clock.now_ns() - oldest) / 1e9);
  }

  std::int64_t oldest_pending_ns() const {
    if (courier.oldest() != nullptr) return courier.oldest()->commit_time_ns;
    return commit ? commit->time_ns : 0;
  }
};

Connector::Connector(std::unique_ptr<State> state) : state_(std::move(state)) {}
Connector::~Connector() = default;

Result<std::unique_ptr<Connector>> Connector::create(ConnectorConfig config, std::vector<std::string> log_names,
                                                     const Clock& clock, Metrics& metrics) {
  const std::string place = "connectors[" + std::to_string(config.index) + "]";
  const SinkMaker maker = find_sink_maker(config.type);
  if (maker == nullptr) {
    const std::string_view near = nearest_word(config.type, sink_types());
    return fail(Code::invalid_argument, place + ".type: '" + config.type + "' is none of splunk_hec, syslog" +
                                            (near.empty() ? "" : "; did you mean '" + std::string(near) + "'?"));
  }
  const std::map<std::string, std::string> values = config.settings;
  Settings settings(place, values);
  TRY(check_limits(config, settings));
  auto selection = Selection::compile(config.select_alerts, config.select_events, clock.now_ns());
  if (!selection) return fail(Code::invalid_argument, place + "." + selection.error().message);
  const std::uint64_t seed = config.seed != 0 ? config.seed : system_seed();
  CourierOptions options = courier_options(config, settings);
  std::unique_ptr<Sink> sink = maker(settings, clock, seed);
  TRY(settings.finish());
  options.confirm_interval_ns = sink->traits().confirm_interval_ns;
  options.confirm_timeout_ns = sink->traits().confirm_timeout_ns;
  return std::unique_ptr<Connector>(new Connector(std::make_unique<State>(std::move(config), std::move(log_names), clock,
                                                                          metrics, std::move(*selection), std::move(sink),
                                                                          options, seed)));
}

std::string Connector::cursor_name(std::string_view connector_name) { return "forward/" + std::string(connector_name); }

Result<void> Connector::restore(std::string_view cursor, const std::map<std::string, std::uint64_t>& counts) {
  State& s = *state_;
  TRY_ASSIGN(const Cursor stored, read_cursor(cursor, s.config.name));
  s.scan = s.handed_out = stored.place;
  s.begin_with(stored.sampling);
  const auto count = [&](const char* what) {
    const auto it = counts.find(s.config.name + "/" + what);
    return it == counts.end() ? std::uint64_t{0} : it->second;
  };
  s.offered = count("offered");
  s.delivered = count("delivered");
  s.dead_lettered = count("dead_lettered");
  s.expired = count("expired");
  s.redelivered = count("redelivered");
  for (const std::string_view tier : enums::risk_tier.words) s.sampled_out += count(("sampled_out/" + std::string(tier)).c_str());
  return {};
}

void Connector::start_at(std::uint64_t commit, const Sampling& sampling) {
  state_->scan = {commit, 0, 0};
  state_->begin_with(sampling);
}

bool Connector::needs_bodies() const { return state_->selection.wants_alerts(); }
bool Connector::wants_more() const { return !state_->commit && state_->has_room(); }
std::uint64_t Connector::next_commit() const {
  return state_->commit ? state_->commit->number + 1 : state_->scan.commit;
}

void Connector::offer(CommitPtr commit, bool head_is_public) {
  CHECK(!state_->commit && commit->number == state_->scan.commit);
  state_->take(std::move(commit), head_is_public);
  state_->fill();
}

StepResult Connector::step() {
  StepResult result;
  State& s = *state_;
  s.fill();
  s.act();
  s.settle(result);
  s.fill();
  result.call_again_ns = s.call_again();
  s.hand_out_cursor(result);
  s.report();
  return result;
}

bool Connector::drained() const { return !state_->commit && state_->courier.pending() == 0; }

std::optional<StepResult> Connector::take_rest() {
  if (state_->config.redelivery || state_->cursor() == state_->handed_out) return std::nullopt;
  StepResult rest;
  state_->make_cursor(rest);
  return rest;
}

Status Connector::status() const {
  const State& s = *state_;
  Status out;
  out.name = s.config.name;
  out.type = s.config.type;
  out.state = s.state();
  out.reason = s.courier.reason();
  out.pending = s.courier.pending();
  out.delivered = s.delivered;
  out.dead_lettered = s.dead_lettered;
  out.expired = s.expired;
  out.redelivered = s.redelivered;
  out.offered = s.offered;
  out.sampled_out = s.sampled_out;
  out.retries = s.courier.retries();
  out.cursor_commit = s.cursor().commit;
  out.oldest_pending_ns = s.oldest_pending_ns();
  out.last_confirmed_ns = s.last_confirmed_ns;
  if (s.courier.parked() || s.courier.retrying()) out.next_try_ns = s.courier.next_try_ns();
  return out;
}

Result<std::string> Connector::test_connection() { return state_->sink->test(); }

void Connector::cancel() { state_->sink->cancel(); }

}  // namespace tidewaiter::forward
