#include "store/block.hpp"

#include <algorithm>
#include <bit>
#include <limits>

#include "core/body.hpp"
#include "core/check.hpp"
#include "store/block_format.hpp"
#include "store/bytes.hpp"
#include "store/compressor.hpp"
#include "store/int_column.hpp"
#include "store/string_column.hpp"

namespace tidewaiter::store {

using namespace block_format;

namespace {

constexpr IntHint record_hints[record_column_count] = {
    IntHint::plain,   IntHint::plain,   IntHint::plain, IntHint::plain, IntHint::plain,  IntHint::sorted,
    IntHint::time_ns, IntHint::sorted,  IntHint::plain, IntHint::plain, IntHint::sorted, IntHint::sorted};

IntHint number_hint(std::size_t column) {
  return columns[str_count + column].kind == ColumnKind::time ? IntHint::time_ns : IntHint::plain;
}

std::string_view ip_view(const Ip& ip) { return {reinterpret_cast<const char*>(ip.data()), ip.size()}; }

/// A partition of an origin within a block; offsets are stored as steps from the last one of the same source.
struct Source {
  const Origin* origin;
  std::uint32_t partition;
  std::uint64_t next_offset = 0;
};

void put_header(Bytes& out, const BlockHeader& h) {
  out.u8(format_version);
  out.fixed(h.log);
  out.fixed(h.first_seq);
  out.fixed(h.records);
  out.fixed(h.events);
  out.fixed(h.unit);
  out.fixed(h.first_commit);
  out.fixed(h.last_commit);
  out.fixed(h.min_time_ns);
  out.fixed(h.max_time_ns);
  out.fixed(h.min_receive_ns);
  out.fixed(h.max_receive_ns);
  out.fixed(h.body_bytes);
}

}  // namespace

struct BlockEncoder::State {
  explicit State(int level) : body_zstd(level, body_tuning), column_zstd(level, column_tuning) {}

  Compressor body_zstd, column_zstd;
  BlockHeader header;
  std::vector<std::string_view> bodies;
  std::vector<Source> sources;
  std::vector<std::uint64_t> record_columns[record_column_count];
  std::vector<Shape> shapes;
  std::size_t last_shape = 0;
  std::vector<std::uint64_t> shape_ids, subs;
  std::uint64_t strings_seen = 0, numbers_seen = 0;
  StringColumnWriter strings[str_count];
  std::vector<std::uint64_t> numbers[num_count];
  StringColumnWriter addresses[addr_count];
  Bytes gathered, payload, uncompressed, raw, cols;

  std::size_t source_of(const Record& record) {
    if (record.origin == nullptr) return 0;
    std::vector<std::uint64_t>& ids = record_columns[source];
    if (!ids.empty() && ids.back() != 0 && is_source(ids.back(), record)) return ids.back();
    for (std::size_t i = 1; i <= sources.size(); ++i)
      if (is_source(i, record)) return i;
    sources.push_back({record.origin, record.partition});
    return sources.size();
  }
  bool is_source(std::size_t id, const Record& record) const {
    const Source& s = sources[id - 1];
    return s.origin == record.origin && s.partition == record.partition;
  }

  void add_event(const Event& event) {
    const Shape shape{event.strings_present, event.numbers_present};
    if (shapes.empty() || shapes[last_shape] != shape) {
      last_shape = static_cast<std::size_t>(std::find(shapes.begin(), shapes.end(), shape) - shapes.begin());
      if (last_shape == shapes.size()) shapes.push_back(shape);
    }
    shape_ids.push_back(last_shape);
    subs.push_back(event.sub);
    strings_seen |= shape.strings;
    numbers_seen |= shape.numbers;
    for (std::uint64_t left = shape.strings; left != 0; left &= left - 1) {
      const auto c = static_cast<std::size_t>(std::countr_zero(left));
      strings[c].add(event.strings[c]);
    }
    for (std::uint64_t left = shape.numbers; left != 0; left &= left - 1) {
      const auto c = static_cast<std::size_t>(std::countr_zero(left));
      if (c < num_count)
        numbers[c].push_back(event.numbers[c]);
      else
        addresses[c - num_count].add(ip_view(event.addresses[c - num_count]));
    }
    if (event.has(Num::time)) {
      header.min_time_ns = std::min(header.min_time_ns, event.time_ns());
      header.max_time_ns = std::max(header.max_time_ns, event.time_ns());
    }
  }

  void put_records() {
    payload.varint(sources.size());
    for (const Source& s : sources) {
      payload.string(s.origin->cluster);
      payload.bytes({reinterpret_cast<const char*>(s.origin->topic_id.data()), s.origin->topic_id.size()});
      payload.string(s.origin->topic);
      payload.varint(s.partition);
    }
    for (std::size_t c = 0; c < record_column_count; ++c) put_ints(payload, record_columns[c], record_hints[c]);
  }

  void put_events() {
    payload.varint(shapes.size());
    for (const Shape& shape : shapes) {
      payload.fixed(shape.strings);
      payload.fixed(shape.numbers);
    }
    put_ints(payload, shape_ids, IntHint::plain);
    put_ints(payload, subs, IntHint::plain);
    for (std::size_t c = 0; c < str_count; ++c)
      if (strings_seen >> c & 1) strings[c].finish(payload, uncompressed);
    for (std::size_t c = 0; c < num_count; ++c)
      if (numbers_seen >> c & 1) put_ints(payload, numbers[c], number_hint(c));
    for (std::size_t c = 0; c < addr_count; ++c)
      if (numbers_seen >> (num_count + c) & 1) addresses[c].finish(payload, uncompressed);
  }

  /// Bodies of one batch mostly lie one after the other: then they are compressed where they are.
  std::string_view all_bodies() {
    bool adjacent = true;
    for (std::size_t i = 1; i < bodies.size() && adjacent; ++i)
      adjacent = bodies[i - 1].data() + bodies[i - 1].size() == bodies[i].data();
    if (adjacent && !bodies.empty()) return {bodies[0].data(), header.body_bytes};
    gathered.clear();
    for (const std::string_view body : bodies) gathered.bytes(body);
    return gathered.view();
  }
};

BlockEncoder::BlockEncoder(int zstd_level) : state_(std::make_unique<State>(zstd_level)) {}
BlockEncoder::~BlockEncoder() = default;

void BlockEncoder::begin(std::uint16_t log, std::uint64_t first_seq, std::uint64_t unit) {
  State& s = *state_;
  s.header = {};
  s.header.log = log;
  s.header.first_seq = first_seq;
  s.header.unit = unit;
  s.header.min_time_ns = s.header.min_receive_ns = std::numeric_limits<std::int64_t>::max();
  s.header.max_time_ns = s.header.max_receive_ns = std::numeric_limits<std::int64_t>::min();
  s.bodies.clear();
  s.sources.clear();
  for (auto& column : s.record_columns) column.clear();
  s.shapes.clear();
  s.last_shape = 0;
  s.shape_ids.clear();
  s.subs.clear();
  for (std::size_t c = 0; c < str_count; ++c)
    if (s.strings_seen >> c & 1) s.strings[c].begin();
  for (auto& column : s.numbers) column.clear();
  for (auto& column : s.addresses) column.begin();
  s.strings_seen = s.numbers_seen = 0;
}

void BlockEncoder::add(const Record& record, const Event* events, std::uint64_t commit_number,
                       std::uint32_t ordinal_in_commit) {
  State& s = *state_;
  CHECK(record.log == s.header.log && record.seq == s.header.first_seq + s.header.records);
  const std::size_t source_id = s.source_of(record);
  std::uint64_t step = 0;
  if (source_id != 0) {
    Source& from = s.sources[source_id - 1];
    step = zigzag(static_cast<std::int64_t>(record.offset - from.next_offset));
    from.next_offset = record.offset + 1;
  }
  const std::uint64_t values[record_column_count] = {
      static_cast<std::uint64_t>(record.kind),
      static_cast<std::uint64_t>(record.reason),
      record.value_null,
      source_id,
      step,
      zigzag(record.leader_epoch),
      static_cast<std::uint64_t>(record.receive_time_ns),
      static_cast<std::uint64_t>(record.kafka_time_ms),
      record.body.size(),
      record.event_count,
      commit_number,
      ordinal_in_commit};
  for (std::size_t c = 0; c < record_column_count; ++c) s.record_columns[c].push_back(values[c]);
  s.bodies.push_back(record.body);
  if (s.header.records == 0) s.header.first_commit = commit_number;
  s.header.last_commit = commit_number;
  s.header.min_receive_ns = std::min(s.header.min_receive_ns, record.receive_time_ns);
  s.header.max_receive_ns = std::max(s.header.max_receive_ns, record.receive_time_ns);
  s.header.body_bytes += record.body.size();
  s.header.records += 1;
  s.header.events += record.event_count;
  for (std::uint32_t i = 0; i < record.event_count; ++i) s.add_event(events[i]);
}

std::uint64_t BlockEncoder::body_bytes() const { return state_->header.body_bytes; }

EncodedBlock BlockEncoder::finish() {
  State& s = *state_;
  s.payload.clear();
  s.uncompressed.clear();
  s.put_records();
  s.put_events();
  s.cols.clear();
  put_header(s.cols, s.header);
  s.cols.fixed(static_cast<std::uint32_t>(s.payload.size()));
  s.cols.fixed(static_cast<std::uint32_t>(s.uncompressed.size()));
  s.cols.bytes(s.uncompressed.view());
  s.column_zstd.append(s.cols, s.payload.view());
  put_checksum(s.cols);
  const std::string_view bodies = s.all_bodies();
  s.raw.clear();
  s.raw.u8(format_version);
  s.raw.fixed(s.header.records);
  s.raw.fixed(s.header.body_bytes);
  s.body_zstd.append(s.raw, bodies);
  put_checksum(s.raw);
  return {s.header, s.raw.view(), s.cols.view()};
}

namespace {

/// What the views of a block's events point into.
struct ColumnBytes {
  std::shared_ptr<char[]> plain;
  UnpackedBytes unpacked;
};

class BlockParser {
 public:
  BlockParser(Block& block, std::string_view payload, std::string_view uncompressed, UnpackedBytes& unpacked)
      : block_(block), in_(payload), uncompressed_(uncompressed), unpacked_(unpacked) {}

  bool parse() { return sources() && record_columns() && events() && in_.done() && uncompressed_.done(); }

 private:
  bool sources() {
    const std::uint64_t count = in_.varint();
    if (count > in_.left()) return false;
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::string_view cluster = in_.string();
      const std::string_view id = in_.bytes(16);
      const std::string_view topic = in_.string();
      const std::uint64_t partition = in_.varint();
      if (!in_.ok() || partition > std::numeric_limits<std::uint32_t>::max()) return false;
      TopicId topic_id;
      std::memcpy(topic_id.data(), id.data(), topic_id.size());
      sources_.push_back({intern_origin(cluster, topic_id, topic), static_cast<std::uint32_t>(partition)});
    }
    return in_.ok();
  }

  bool record_columns() {
    const std::size_t n = block_.header.records;
    std::vector<std::uint64_t> columns_read[record_column_count];
    for (auto& column : columns_read)
      if (!get_ints(in_, n, column)) return false;
    block_.records.resize(n);
    block_.commits = std::move(columns_read[commit]);
    block_.ordinals.resize(n);
    block_.body_sizes.resize(n);
    std::uint64_t first_event = 0;
    for (std::size_t i = 0; i < n; ++i) {
      Record& r = block_.records[i];
      r.kind = static_cast<RecordKind>(columns_read[kind][i]);
      r.reason = static_cast<RejectReason>(columns_read[reason][i]);
      r.value_null = columns_read[value_null][i] != 0;
      r.log = block_.header.log;
      r.seq = block_.header.first_seq + i;
      r.leader_epoch = static_cast<std::int32_t>(unzigzag(columns_read[leader_epoch][i]));
      r.receive_time_ns = static_cast<std::int64_t>(columns_read[receive_time][i]);
      r.kafka_time_ms = static_cast<std::int64_t>(columns_read[kafka_time][i]);
      r.first_event = static_cast<std::uint32_t>(first_event);
      r.event_count = static_cast<std::uint32_t>(columns_read[event_count][i]);
      first_event += columns_read[event_count][i];
      if (first_event > block_.header.events || !set_source(r, columns_read[source][i], columns_read[offset][i]))
        return false;
      block_.ordinals[i] = static_cast<std::uint32_t>(columns_read[ordinal][i]);
      block_.body_sizes[i] = static_cast<std::uint32_t>(columns_read[body_size][i]);
    }
    return first_event == block_.header.events;
  }

  bool set_source(Record& r, std::uint64_t id, std::uint64_t step) {
    if (id > sources_.size()) return false;
    if (id == 0) {
      r.offset = r.seq;
      return true;
    }
    Source& from = sources_[id - 1];
    r.origin = from.origin;
    r.partition = from.partition;
    r.offset = from.next_offset + static_cast<std::uint64_t>(unzigzag(step));
    from.next_offset = r.offset + 1;
    return true;
  }

  bool events() {
    const std::size_t n = block_.header.events;
    const std::uint64_t shape_count = in_.varint();
    if (shape_count > in_.left() / 16) return false;
    std::vector<Shape> shapes(shape_count);
    std::uint64_t strings_seen = 0, numbers_seen = 0;
    for (Shape& shape : shapes) {
      shape = {in_.fixed<std::uint64_t>(), 0};
      shape.numbers = in_.fixed<std::uint64_t>();
      strings_seen |= shape.strings;
      numbers_seen |= shape.numbers;
    }
    if ((strings_seen & ~all_strings) != 0 || (numbers_seen & ~all_numbers) != 0) return false;
    block_.events = std::vector<Event>(n);
    if (!shapes_and_subs(shapes)) return false;
    number_events();
    for (std::size_t c = 0; c < str_count; ++c)
      if ((strings_seen >> c & 1) && !string_column(c)) return false;
    for (std::size_t c = 0; c < num_count; ++c)
      if ((numbers_seen >> c & 1) && !number_column(c)) return false;
    for (std::size_t c = 0; c < addr_count; ++c)
      if ((numbers_seen >> (num_count + c) & 1) && !address_column(c)) return false;
    return true;
  }

  bool shapes_and_subs(const std::vector<Shape>& shapes) {
    if (!get_ints(in_, block_.events.size(), ints_)) return false;
    for (std::size_t i = 0; i < ints_.size(); ++i) {
      if (ints_[i] >= shapes.size()) return false;
      block_.events[i].strings_present = shapes[ints_[i]].strings;
      block_.events[i].numbers_present = shapes[ints_[i]].numbers;
    }
    if (!get_ints(in_, block_.events.size(), ints_)) return false;
    for (std::size_t i = 0; i < ints_.size(); ++i) block_.events[i].sub = static_cast<std::uint32_t>(ints_[i]);
    return true;
  }

  void number_events() {
    for (std::uint32_t r = 0; r < block_.records.size(); ++r)
      for (std::uint32_t i = 0; i < block_.records[r].event_count; ++i)
        block_.events[block_.records[r].first_event + i].record = r;
  }

  /// Indices of the events whose presence word has this bit.
  const std::vector<std::uint32_t>& having(std::uint64_t Event::*presence, std::size_t bit) {
    having_.clear();
    for (std::uint32_t i = 0; i < block_.events.size(); ++i)
      if (block_.events[i].*presence >> bit & 1) having_.push_back(i);
    return having_;
  }

  bool string_column(std::size_t c) {
    const auto& at = having(&Event::strings_present, c);
    if (!get_strings(in_, uncompressed_, at.size(), strings_, unpacked_)) return false;
    for (std::size_t i = 0; i < at.size(); ++i) {
      if (strings_[i].size() > ColumnText::size_max) return false;
      block_.events[at[i]].strings[c] = strings_[i];
    }
    return true;
  }
  bool number_column(std::size_t c) {
    const auto& at = having(&Event::numbers_present, c);
    if (!get_ints(in_, at.size(), ints_)) return false;
    for (std::size_t i = 0; i < at.size(); ++i) block_.events[at[i]].numbers[c] = ints_[i];
    return true;
  }
  bool address_column(std::size_t c) {
    const auto& at = having(&Event::numbers_present, num_count + c);
    if (!get_strings(in_, uncompressed_, at.size(), strings_, unpacked_)) return false;
    for (std::size_t i = 0; i < at.size(); ++i) {
      Ip& ip = block_.events[at[i]].addresses[c];
      if (strings_[i].size() != ip.size()) return false;
      std::memcpy(ip.data(), strings_[i].data(), ip.size());
    }
    return true;
  }

  Block& block_;
  ByteReader in_, uncompressed_;
  UnpackedBytes& unpacked_;
  std::vector<Source> sources_;
  std::vector<std::uint64_t> ints_;
  std::vector<std::string_view> strings_;
  std::vector<std::uint32_t> having_;
};

}  // namespace

std::size_t Block::memory_bytes() const {
  std::size_t bytes = sizeof *this + records.capacity() * (sizeof(Record) + 16) + events.capacity() * sizeof(Event);
  bytes += header.records * 32;  // column bytes, roughly
  if (body_bytes) bytes += header.body_bytes;
  return bytes;
}

Result<BlockHeader> read_block_header(std::string_view cols) {
  ByteReader in(cols);
  return get_header(in);
}

Result<Block> read_block(std::string_view cols) {
  TRY_ASSIGN(const Columns columns_read, get_columns(cols));
  const ColumnParts& parts = columns_read.parts;
  Block block;
  block.header = columns_read.header;
  auto bytes = std::make_shared<ColumnBytes>();
  bytes->plain = parts.payload.bytes;
  const bool right = BlockParser(block, parts.payload.view, parts.uncompressed, bytes->unpacked).parse();
  block.column_bytes = std::move(bytes);
  if (!right) return fail(Code::corruption, "block cols: the columns are wrong");
  return block;
}

Result<void> attach_bodies(Block& block, std::string_view raw) {
  if (raw.empty() || raw[0] != static_cast<char>(format_version))
    return fail(Code::corruption, "block raw has an unknown format version");
  TRY_ASSIGN(const std::string_view content, check_value(raw, "raw"));
  ByteReader in(content.substr(1));
  const auto records = in.fixed<std::uint32_t>();
  const auto size = in.fixed<std::uint64_t>();
  if (!in.ok() || records != block.header.records || size != block.header.body_bytes)
    return fail(Code::corruption, "block raw: does not fit the columns");
  TRY_ASSIGN(Plain plain, decompress(in.bytes(in.left()), size, "raw"));
  std::string_view rest = plain.view;
  for (std::size_t i = 0; i < block.records.size(); ++i) {
    if (block.body_sizes[i] > rest.size()) return fail(Code::corruption, "block raw: a body is cut short");
    Record& record = block.records[i];
    record.body = rest.substr(0, block.body_sizes[i]);
    rest.remove_prefix(record.body.size());
    TRY_ASSIGN(const BodyParts parts, read_body_but_headers(record.body));
    record.key = parts.key.value_or(std::string_view());
    record.value = parts.value.value_or(std::string_view());
  }
  if (!rest.empty()) return fail(Code::corruption, "block raw: bytes are left over");
  block.body_bytes = plain.bytes;
  return {};
}

}  // namespace tidewaiter::store
