#include "store/state.hpp"

#include <cstring>

#include "store/bytes.hpp"

namespace tidewaiter::store {
namespace {

constexpr std::uint8_t format_version = 1;
/// Of the state. In 1, the column digest of a commit was one hash over all of its records.
constexpr std::uint8_t state_version = 3;
static_assert(str_count == 45 && num_count == 35 && addr_count == 2,
              "addresses are counted above the number columns in blocks, digests and indexes: another column is another state_version");
constexpr std::size_t checksum_size = 8;

Error wrong(const char* what) { return fail(Code::corruption, std::string(what) + " cannot be decoded"); }

/// Starts a value / checks the version a value starts with.
Bytes start() {
  Bytes out;
  out.u8(format_version);
  return out;
}
ByteReader open_value(std::string_view bytes) {
  ByteReader in(bytes);
  if (in.u8() != format_version) in.fail();
  return in;
}

void put_hash(Bytes& out, const Hash& hash) { out.bytes(as_view(hash)); }
Hash get_hash(ByteReader& in) {
  Hash hash{};
  const std::string_view bytes = in.bytes(hash.size());
  if (in.ok()) std::memcpy(hash.data(), bytes.data(), hash.size());
  return hash;
}

void put_counts(Bytes& out, const std::map<std::string, std::uint64_t>& counts) {
  out.varint(counts.size());
  for (const auto& [name, count] : counts) {
    out.string(name);
    out.varint(count);
  }
}
std::map<std::string, std::uint64_t> get_counts(ByteReader& in) {
  std::map<std::string, std::uint64_t> counts;
  const std::uint64_t n = in.varint();
  for (std::uint64_t i = 0; in.ok() && i < n; ++i) {
    std::string name(in.string());
    counts[std::move(name)] = in.varint();
  }
  return counts;
}

void put_log(Bytes& out, const LogState& log) {
  out.varint(log.info.id);
  out.string(log.info.name);
  out.varint(log.info.retention_days);
  out.varint(log.tree.size);
  for (unsigned h = 0; h < 64; ++h)
    if (log.tree.size >> h & 1) put_hash(out, log.tree.peaks[h]);
  put_hash(out, log.columns);
  out.fixed(log.unit);
}
LogState get_log(ByteReader& in) {
  LogState log;
  log.info.id = static_cast<std::uint16_t>(in.varint());
  log.info.name = in.string();
  log.info.retention_days = static_cast<std::uint32_t>(in.varint());
  log.tree.size = in.varint();
  for (unsigned h = 0; h < 64; ++h)
    if (log.tree.size >> h & 1) log.tree.peaks[h] = get_hash(in);
  log.columns = get_hash(in);
  log.unit = in.fixed<std::uint64_t>();
  return log;
}

}  // namespace

std::string encode_state(const StoreState& state) {
  Bytes out;
  out.u8(state_version);
  out.string(state.store_id);
  out.varint(state.generation);
  out.varint(state.segment_records);
  out.varint(state.commit);
  out.varint(state.coverage_commit);
  out.varint(state.origins);
  out.varint(state.logs.size());
  for (const LogState& log : state.logs) put_log(out, log);
  out.varint(state.counters.read);
  out.varint(state.counters.duplicates);
  out.varint(state.counters.events);
  put_counts(out, state.counters.records_by_kind);
  put_counts(out, state.counters.rejects_by_reason);
  put_counts(out, state.counters.connector);
  return with_checksum(std::string(out.view()));
}

Result<StoreState> decode_state(std::string_view stored) {
  TRY_ASSIGN(const std::string_view bytes, without_checksum(stored));
  ByteReader in(bytes);
  const std::uint8_t version = in.u8();
  if (in.ok() && version != state_version)
    return fail(Code::invalid_argument, "the store has format " + std::to_string(version) + ", this version of tidewaiter reads " +
                                        std::to_string(state_version) + ": read it with the version that wrote it");
  StoreState state;
  state.store_id = in.string();
  state.generation = static_cast<std::uint32_t>(in.varint());
  state.segment_records = in.varint();
  state.commit = in.varint();
  state.coverage_commit = in.varint();
  state.origins = static_cast<std::uint32_t>(in.varint());
  const std::uint64_t logs = in.varint();
  for (std::uint64_t i = 0; in.ok() && i < logs; ++i) {
    state.logs.push_back(get_log(in));
    if (state.logs.back().info.id != i) in.fail();
  }
  state.counters.read = in.varint();
  state.counters.duplicates = in.varint();
  state.counters.events = in.varint();
  state.counters.records_by_kind = get_counts(in);
  state.counters.rejects_by_reason = get_counts(in);
  state.counters.connector = get_counts(in);
  if (!in.done() || state.segment_records == 0 || state.logs.empty()) return wrong("meta, state:");
  return state;
}

std::string encode_commit_entry(const CommitEntry& entry) {
  Bytes out = start();
  out.fixed(entry.time_ns);
  out.varint(entry.parts.size());
  for (const CommitEntry::Part& part : entry.parts) {
    out.varint(part.log);
    out.varint(part.first_seq);
    out.varint(part.records);
  }
  return out.str();
}

Result<CommitEntry> decode_commit_entry(std::string_view bytes) {
  ByteReader in = open_value(bytes);
  CommitEntry entry;
  entry.time_ns = in.fixed<std::int64_t>();
  const std::uint64_t parts = in.varint();
  for (std::uint64_t i = 0; in.ok() && i < parts; ++i) {
    CommitEntry::Part part{};
    part.log = static_cast<std::uint16_t>(in.varint());
    part.first_seq = in.varint();
    part.records = static_cast<std::uint32_t>(in.varint());
    entry.parts.push_back(part);
  }
  if (!in.done()) return wrong("commits: an entry");
  return entry;
}

std::string encode_offset_entry(const OffsetEntry& entry) {
  Bytes out = start();
  out.varint(entry.commit);
  out.varint(entry.ranges.size());
  std::uint64_t last = 0;
  for (const auto& [from, to] : entry.ranges) {
    out.varint(from - last);
    out.varint(to - from);
    last = to;
  }
  return out.str();
}

Result<OffsetEntry> decode_offset_entry(std::string_view bytes) {
  ByteReader in = open_value(bytes);
  OffsetEntry entry;
  entry.commit = in.varint();
  const std::uint64_t ranges = in.varint();
  std::uint64_t last = 0;
  for (std::uint64_t i = 0; in.ok() && i < ranges; ++i) {
    const std::uint64_t from = last + in.varint();
    last = from + in.varint();
    entry.ranges.emplace_back(from, last);
  }
  if (!in.done() || entry.ranges.empty()) return wrong("offsets: an entry");
  return entry;
}

std::string encode_gap_entry(const GapEntry& entry) {
  Bytes out = start();
  out.varint(entry.commit);
  out.varint(entry.to);
  out.string(entry.reason);
  return out.str();
}

Result<GapEntry> decode_gap_entry(std::string_view bytes) {
  ByteReader in = open_value(bytes);
  GapEntry entry;
  entry.commit = in.varint();
  entry.to = in.varint();
  entry.reason = in.string();
  if (!in.done()) return wrong("offsets: a gap");
  return entry;
}

std::string encode_origin(const OriginEntry& origin) {
  Bytes out = start();
  out.string(origin.cluster);
  out.bytes({reinterpret_cast<const char*>(origin.topic_id.data()), origin.topic_id.size()});
  out.string(origin.topic);
  return out.str();
}

Result<OriginEntry> decode_origin(std::string_view bytes) {
  ByteReader in = open_value(bytes);
  OriginEntry origin;
  origin.cluster = in.string();
  const std::string_view id = in.bytes(origin.topic_id.size());
  if (in.ok()) std::memcpy(origin.topic_id.data(), id.data(), id.size());
  origin.topic = in.string();
  if (!in.done()) return wrong("meta: an origin");
  return origin;
}

FixedValue<8> encode_number(std::uint64_t value) {
  FixedValue<8> out;
  out.bytes[0] = static_cast<char>(format_version);
  std::memcpy(out.bytes.data() + 1, &value, sizeof value);
  return out;
}

Result<std::uint64_t> decode_number(std::string_view bytes) {
  ByteReader in = open_value(bytes);
  const auto value = in.fixed<std::uint64_t>();
  if (!in.done()) return wrong("a stored number");
  return value;
}

std::string encode_bytes(std::string_view value) {
  std::string out(1, static_cast<char>(format_version));
  out += value;
  return out;
}

Result<std::string_view> decode_bytes(std::string_view bytes) {
  if (bytes.empty() || bytes[0] != static_cast<char>(format_version)) return wrong("a stored value");
  return bytes.substr(1);
}

std::string with_checksum(std::string bytes) {
  const Hash hash = sha256(bytes);
  bytes += as_view(hash).substr(0, checksum_size);
  return bytes;
}

Result<std::string_view> without_checksum(std::string_view bytes) {
  if (bytes.size() < checksum_size) return wrong("a stored value");
  const std::string_view value = bytes.substr(0, bytes.size() - checksum_size);
  if (bytes.substr(value.size()) != as_view(sha256(value)).substr(0, checksum_size))
    return fail(Code::corruption, "a stored value does not have its checksum");
  return value;
}

std::string encode_checked(std::string_view value) { return with_checksum(encode_bytes(value)); }

Result<std::string_view> decode_checked(std::string_view bytes) {
  TRY_ASSIGN(const std::string_view value, without_checksum(bytes));
  return decode_bytes(value);
}

FixedValue<32> encode_hash(const Hash& hash) {
  FixedValue<32> out;
  out.bytes[0] = static_cast<char>(format_version);
  std::memcpy(out.bytes.data() + 1, hash.data(), hash.size());
  return out;
}

Result<Hash> decode_hash(std::string_view bytes) {
  ByteReader in = open_value(bytes);
  const Hash hash = get_hash(in);
  if (!in.done()) return wrong("a stored hash");
  return hash;
}

std::string encode_head(const Head& head) {
  Bytes out = start();
  out.varint(head.log);
  out.varint(head.size);
  put_hash(out, head.root);
  out.fixed(head.time_ns);
  out.string(head.note);
  return with_checksum(std::string(out.view()));
}

Result<Head> decode_head(std::string_view stored) {
  TRY_ASSIGN(const std::string_view bytes, without_checksum(stored));
  ByteReader in = open_value(bytes);
  Head head;
  head.log = static_cast<std::uint16_t>(in.varint());
  head.size = in.varint();
  head.root = get_hash(in);
  head.time_ns = in.fixed<std::int64_t>();
  head.note = in.string();
  if (!in.done()) return wrong("heads: a head");
  return head;
}

}  // namespace tidewaiter::store
