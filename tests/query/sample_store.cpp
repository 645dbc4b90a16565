#include "tests/query/sample_store.hpp"

#include <stdlib.h>

#include "core/body.hpp"
#include "core/check.hpp"
#include "core/text.hpp"

namespace tidewaiter::test {

namespace {

template <class T>
T must(Result<T> result) {
  if (!result) std::fprintf(stderr, "%s\n", result.error().message.c_str());
  CHECK(result.has_value());
  return std::move(result).value();
}
void must(Result<void> result) {
  if (!result) std::fprintf(stderr, "%s\n", result.error().message.c_str());
  CHECK(result.has_value());
}

}  // namespace

SampleStore::SampleStore(Setup setup) : setup_(setup) {
  std::string name = (std::filesystem::temp_directory_path() / "tidewaiter-test-XXXXXX").string();
  CHECK(::mkdtemp(name.data()) != nullptr);
  root_ = name;
  TopicId id{};
  id[0] = 7;
  origin_ = intern_origin("test-cluster", id, "audit");
  if (setup_.keyed) must(store::SigningKey::generate(file("key.pem")));
  reopen();
}

SampleStore::~SampleStore() {
  log_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(root_, ignored);
}

void SampleStore::reopen(store::Recover recover) {
  log_.reset();
  store::Options options;
  options.directory = directory();
  options.origin = "tidewaiter.test";
  options.event_logs = {{0, "main", 30}, {0, "quiet", 0}};
  if (setup_.keyed) options.signing_key_file = file("key.pem");
  options.segment_records = setup_.segment_records;
  options.block_bytes_max = setup_.block_bytes_max;
  options.clock = &clock_;
  options.recover = recover;
  log_ = must(store::Log::open(options, metrics_));
  std::uint16_t main = 0, quiet = 0;
  for (const store::LogInfo& info : log_->logs()) {
    if (info.name == "main") main = info.id;
    if (info.name == "quiet") quiet = info.id;
  }
  log_->set_route([=](const Record& record, const Event*, std::size_t) { return record.offset % 10 == 9 ? quiet : main; });
}

void SampleStore::fill(Batch& batch, std::uint64_t offset, bool other_bytes) const {
  const auto minute = static_cast<std::int64_t>(offset);
  const std::int64_t time = start_ns + minute * minute_ns;
  BodyParts parts;
  parts.receive_time_ns = time + 5'000'000'000;
  parts.kafka_time_ms = time / 1'000'000;
  parts.headers.push_back({"ce_type", "test"});
  std::string value = "{\"n\":" + std::to_string(offset) + ",\"password\":\"hunter-" + std::to_string(offset) + "\"";
  value += other_bytes ? ",\"other\":true}" : "}";
  if (offset % 25 == 24) value = "not json " + std::to_string(offset);
  if (offset % 40 != 39) parts.value = value;
  CHECK(append_message(batch, origin_, 0, offset, -1, parts));
  Record& record = batch.records.back();
  if (offset % 40 == 39) return;
  if (offset % 25 == 24) {
    record.kind = RecordKind::reject;
    record.reason = RejectReason::not_json;
    return;
  }
  record.first_event = static_cast<std::uint32_t>(batch.events.size());
  record.event_count = 1;
  Event event;
  event.record = static_cast<std::uint32_t>(batch.records.size() - 1);
  event.sub = 0;
  event.set(Num::time, static_cast<std::uint64_t>(time));
  event.set(Num::format, 1);
  event.set(Num::family, static_cast<std::uint64_t>(Family::agent));
  event.set(Str::principal, batch.keep("agent-" + std::to_string(offset % 5)));
  event.set(Str::dst_host, batch.keep("h" + std::to_string(offset % 3) + ".example"));
  event.set(Num::bytes_out, offset);
  event.set(Num::risk_tier, offset % 5);
  event.set(Str::capability_token_hash, "0123456789abcdef0123456789abcdef");
  batch.events.push_back(event);
}

void SampleStore::add(std::size_t count) {
  auto batch = std::make_unique<Batch>(1u << 22);
  for (std::size_t i = 0; i < count; ++i) fill(*batch, next_offset_++);
  clock_.advance(minute_ns);
  must(log_->commit(std::move(batch), {}, {}, {}));
}

void SampleStore::redeliver(std::uint64_t offset, bool other_bytes) {
  auto batch = std::make_unique<Batch>(1u << 16);
  fill(*batch, offset, other_bytes);
  must(log_->commit(std::move(batch), {}, {}, {}));
}

void SampleStore::add_alert(const std::string& uid, const std::string& title, std::uint64_t evidence_seq) {
  OwnRecord alert;
  alert.kind = RecordKind::alert;
  alert.time_ns = start_ns;
  alert.body = R"({"uid":")" + uid + R"(","revision":1,"kind":"alert","detector":"policy","rule":"r1","severity":"high","title":")" +
               title + R"(","entity":{"type":"principal","id":"agent-1"},"window":{"start":"2026-02-25T06:13:20Z","end":)" +
               R"("2026-02-25T07:13:20Z"},"time":"2026-02-25T06:13:20Z","explanation":{"observed":3,"expected":1.5},)" +
               R"("evidence":[{"log":"main","seq":)" + std::to_string(evidence_seq) + R"(,"sub":0,"uid":"00"}]})";
  alert.strings = std::make_shared<std::deque<std::string>>();
  Event columns;
  columns.set(Num::time, static_cast<std::uint64_t>(start_ns));
  columns.set(Str::rule, alert.strings->emplace_back("r1"));
  columns.set(Num::severity, static_cast<std::uint64_t>(Severity::high));
  alert.columns = columns;
  std::vector<OwnRecord> own;
  own.push_back(std::move(alert));
  must(log_->commit(nullptr, {}, std::move(own), {}));
}

void SampleStore::add_cursor(const std::string& name, const std::string& value) {
  must(log_->put_cursors({{name, value}}));
}

std::vector<store::Head> SampleStore::checkpoint() {
  clock_.advance(minute_ns);
  return must(log_->publish_checkpoint());
}

void SampleStore::seal() {
  while (must(log_->seal_one_segment())) {
  }
}

std::unique_ptr<store::Reader> SampleStore::reader() const { return must(store::Reader::open(*log_)); }
std::unique_ptr<store::Reader> SampleStore::outside() const { return must(store::Reader::open(directory())); }

store::TrustedKey SampleStore::key() const {
  return {must(store::SigningKey::load(file("key.pem"))).public_key(), "tidewaiter.test"};
}

}  // namespace tidewaiter::test
