// What is signed, said or kept of the sizes and roots of logs, as expectations of their walks.
#include <algorithm>
#include <charconv>
#include <cstring>

#include <nlohmann/json.hpp>

#include "core/text.hpp"
#include "store/keys.hpp"
#include "store/tree_reader.hpp"
#include "store/verify_context.hpp"

namespace tidewaiter::store {

namespace {

using Json = nlohmann::json;

std::optional<Hash> hash_of(const Json& value) {
  if (!value.is_string()) return std::nullopt;
  const auto bytes = from_hex(value.get_ref<const std::string&>());
  Hash hash;
  if (!bytes || bytes->size() != hash.size()) return std::nullopt;
  std::memcpy(hash.data(), bytes->data(), hash.size());
  return hash;
}

/// "" when there is no such text.
std::string text_of(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

std::optional<std::uint64_t> number_of(const Json& object, const char* key) {
  const auto it = object.find(key);
  if (it == object.end() || !it->is_number_unsigned()) return std::nullopt;
  return it->get<std::uint64_t>();
}

/// The entry of one log in a coverage record.
struct LogSaid {
  std::uint16_t log = 0;
  std::uint64_t size = 0;
  Hash root{}, columns{};
};
std::optional<LogSaid> log_said(const Json& value, const StoreState& state) {
  if (!value.is_object()) return std::nullopt;
  const auto id = number_of(value, "log_id"), size = number_of(value, "size");
  const auto root = hash_of(value.value("root", Json())), columns = hash_of(value.value("columns", Json()));
  if (!id || *id >= state.logs.size() || !size || !root || !columns) return std::nullopt;
  return LogSaid{static_cast<std::uint16_t>(*id), *size, *root, *columns};
}

bool add_ranges(IntervalSet& set, const Json& ranges) {
  if (!ranges.is_array()) return false;
  for (const Json& range : ranges) {
    if (!range.is_array() || range.size() != 2 || !range[0].is_number_unsigned() || !range[1].is_number_unsigned()) return false;
    set.add(range[0].get<std::uint64_t>(), range[1].get<std::uint64_t>());
  }
  return true;
}

/// A partition with many ranges names only its news, and then its gaps are not compared.
bool set_gaps(std::optional<VerifyContext::Gaps>& gaps, const Json& partition) {
  const Json full = partition.value("full", Json()), list = partition.value("gaps", Json());
  if (!full.is_boolean() || !list.is_array()) return false;
  gaps.reset();
  if (!full.get<bool>()) return true;
  gaps.emplace();
  for (const Json& gap : list) {
    if (!gap.is_array() || gap.size() != 3 || !gap[0].is_number_unsigned() || !gap[1].is_number_unsigned() ||
        !gap[2].is_string())
      return false;
    gaps->emplace(gap[0].get<std::uint64_t>(), gap[1].get<std::uint64_t>(), gap[2].get<std::string>());
  }
  return true;
}

bool add_partition(VerifyContext& context, const Json& value) {
  if (!value.is_object()) return false;
  const auto partition = number_of(value, "partition");
  const auto id = from_hex(text_of(value, "topic_id"));
  TopicId topic_id;
  if (!partition || !id || id->size() != topic_id.size()) return false;
  std::memcpy(topic_id.data(), id->data(), id->size());
  const Origin* origin = intern_origin(text_of(value, "cluster"), topic_id, text_of(value, "topic"));
  const std::pair place(origin, static_cast<std::uint32_t>(*partition));
  return add_ranges(context.covered[place], value.value("held", Json())) &&
         set_gaps(context.covered_gaps[place], value);
}

/// False when the record is not in the form of coverage records.
bool take_coverage(VerifyContext& context, const Json& body, const std::string& source, std::int64_t time_ns,
                   std::uint64_t commit, std::optional<Expected>& own) {
  const auto control = log_said(body.value("control_before", Json()), context.state);
  const Json logs = body.value("logs", Json()), partitions = body.value("partitions", Json());
  if (!control || control->log != 0 || !logs.is_array() || !partitions.is_array()) return false;
  own = Expected{control->size, control->root, time_ns, source};
  context.columns[0].push_back({commit, control->columns});
  for (const Json& value : logs) {
    const auto said = log_said(value, context.state);
    if (!said || said->log == 0) return false;
    context.columns[said->log].push_back({commit, said->columns});
    auto& expected = context.expected[said->log];
    const bool repeated = !expected.empty() && expected.back().size == said->size && expected.back().root == said->root;
    if (!repeated) expected.push_back({said->size, said->root, time_ns, source});
  }
  for (const Json& value : partitions)
    if (!add_partition(context, value)) return false;
  context.coverage_commit = commit;
  ++context.coverages;
  return true;
}

void take_salt_key(VerifyContext& context, const Json& body, std::uint64_t seq) {
  const auto log = number_of(body, "log_id"), unit = number_of(body, "unit");
  const auto hash = hash_of(body.value("sha256", Json()));
  if (!log || !unit || !hash || *log >= context.state.logs.size())
    return context.find(context.state.logs[0], seq, seq + 1, "control", "a salt_key record cannot be read");
  context.announced_keys[{static_cast<std::uint16_t>(*log), *unit}] = *hash;
}

void take_remap(VerifyContext& context, const Json& body, const Record& record) {
  auto version = decode_column_version(record.value);
  const std::size_t next = context.column_versions.size() + 1;
  const bool done = text_of(body, "state") == "done";
  if (!version || version->version != next || (done && context.column_version_begun != next))
    return context.find(context.state.logs[0], record.seq, record.seq + 1, "control", "a remap record cannot be read");
  context.column_version_begun = version->version;
  if (done) context.column_versions.push_back(std::move(*version));
}

class Collector {
 public:
  Collector(VerifyContext& context, const BlockStore& blocks) : context_(context), blocks_(blocks) {}

  Result<void> stored_heads();
  void stored_head(std::string_view key, std::string_view value);
  void head_file(const FoundNote& note);
  Result<void> given(const VerifyRequest::Kept& kept, bool trusted);

 private:
  const LogState* log_named(const std::string& name) const {
    for (const LogState& log : context_.state.logs)
      if (log.info.name == name) return &log;
    return nullptr;
  }
  bool signature_holds(const LogState& log, const Checkpoint& checkpoint, const std::string& source);
  Result<void> begin_at(const LogState& log, const Checkpoint& checkpoint, const std::string& source);
  Result<void> begin_others(const Checkpoint& checkpoint, TreeReader& tree, const std::string& source);
  Result<bool> set_start(const LogState& log, std::uint64_t size, const Hash& root, TreeReader& tree, const std::string& source);

  VerifyContext& context_;
  const BlockStore& blocks_;
};

bool Collector::signature_holds(const LogState& log, const Checkpoint& checkpoint, const std::string& source) {
  if (!context_.request.public_key) return true;
  const TrustedKey& key = *context_.request.public_key;
  const auto holds = key.speaks_for(checkpoint.origin) ? verify_checkpoint(checkpoint, key.key) : Result<bool>(false);
  if (holds && *holds) {
    ++context_.report.signatures;
    return true;
  }
  context_.find(log, 0, checkpoint.size, "heads", source + (holds ? " is not signed by the key given" : " carries a wrong signature"));
  return false;
}

void Collector::stored_head(std::string_view key, std::string_view value) {
  const auto id = key.size() == 14 ? get_be<std::uint16_t>(key.data()) : std::uint16_t{0xffff};
  if (id >= context_.state.logs.size()) return context_.find("heads", "a head is of a log that does not exist");
  const auto generation = get_be<std::uint32_t>(key.data() + 2);
  const LogState& log = context_.state.logs[id];
  const auto head = decode_head(value);
  const std::string name = "the head kept at size " + std::to_string(get_be<std::uint64_t>(key.data() + 6));
  const auto checkpoint = head ? parse_checkpoint(head->note) : Result<Checkpoint>(head.error());
  if (!checkpoint) return context_.find(log, 0, 0, "heads", name + " cannot be read: " + checkpoint.error().message);
  const auto origin = split_origin_name(checkpoint->origin);
  if (head->log != id || head->size != get_be<std::uint64_t>(key.data() + 6) || head->size != checkpoint->size ||
      head->root != checkpoint->root)
    return context_.find(log, 0, 0, "heads", name + " and the note in it disagree");
  if (!origin || origin->store_id != context_.state.store_id || origin->generation != generation ||
      origin->log != log.info.name)
    return context_.find(log, 0, 0, "heads", name + " is of another log: " + checkpoint->origin);
  if (generation > context_.state.generation)
    return context_.find(log, 0, 0, "heads", name + " is of a generation that has not begun");
  // Heads of an older generation were left behind in the open: a control record names them and why.
  if (generation != context_.state.generation) return;
  const std::string source = "the head of " + format_rfc3339(head->time_ns);
  signature_holds(log, *checkpoint, source);
  context_.expected[id].push_back({head->size, head->root, head->time_ns, source, true});
}

Result<void> Collector::stored_heads() {
  const auto it = context_.db.iterate(Cf::heads);
  for (it->seek({}); it->valid() && !context_.full(); it->next()) stored_head(it->key(), it->value());
  return it->status();
}

void Collector::head_file(const FoundNote& note) {
  const auto checkpoint = parse_checkpoint(note.note);
  const auto origin = checkpoint ? split_origin_name(checkpoint->origin) : std::nullopt;
  const LogState* log = origin ? log_named(origin->log) : nullptr;
  if (!log || origin->store_id != context_.state.store_id)
    return context_.find("heads", "the file " + note.place + " is no head of a log of this store");
  if (origin->generation != context_.state.generation) return;
  signature_holds(*log, *checkpoint, note.place);
  context_.expected[log->info.id].push_back({checkpoint->size, checkpoint->root, 0, note.place});
}

Result<void> Collector::given(const VerifyRequest::Kept& kept, bool trusted) {
  auto checkpoint = parse_checkpoint(kept.checkpoint);
  if (!checkpoint) return fail(Code::invalid_argument, kept.name + ": " + checkpoint.error().message);
  const auto origin = split_origin_name(checkpoint->origin);
  const LogState* log = origin ? log_named(origin->log) : nullptr;
  if (!log || origin->store_id != context_.state.store_id)
    return fail(Code::invalid_argument, kept.name + " is a checkpoint of " + checkpoint->origin + ", and this is store " +
                                            context_.state.store_id);
  const std::string source = "the checkpoint " + kept.name;
  if (!signature_holds(*log, *checkpoint, source)) return {};
  Expected expected{checkpoint->size, checkpoint->root, 0, source};
  expected.kept_elsewhere = true;
  context_.expected[log->info.id].push_back(expected);
  return trusted ? begin_at(*log, *checkpoint, source) : Result<void>();
}

/// Rebuilds the tree of `size` from stored nodes; the walk begins there if that has the trusted root.
Result<bool> Collector::set_start(const LogState& log, std::uint64_t size, const Hash& root, TreeReader& tree,
                                  const std::string& source) {
  Frontier frontier;
  frontier.size = size;
  for (unsigned height = 0; height < 64; ++height) {
    if (!(size >> height & 1)) continue;
    const std::uint64_t index = height == 63 ? 0 : size >> (height + 1) << 1;
    const auto node = tree.node(height, index);
    if (!node) {
      context_.find(log, index << height, (index + 1) << height, "tree", node.error().message);
      return false;
    }
    frontier.peaks[height] = *node;
  }
  Sha256 sha;
  if (frontier.root(sha) != root) {
    context_.find(log, 0, size, "tree", "the stored tree below " + source + " does not have the root that it names");
    return false;
  }
  if (size > context_.start[log.info.id].size) context_.start[log.info.id] = frontier;
  context_.report.logs[log.info.id].read_from = context_.start[log.info.id].size;
  context_.whole = context_.whole && size == 0;
  return true;
}

Result<void> Collector::begin_at(const LogState& log, const Checkpoint& checkpoint, const std::string& source) {
  if (checkpoint.size > log.tree.size || checkpoint.size == 0) return {};
  TreeReader tree(context_.db, blocks_, context_.state.store_id, log.info.id, log.tree.size);
  TRY_ASSIGN(const bool set, set_start(log, checkpoint.size, checkpoint.root, tree, source));
  return set && log.info.id == 0 ? begin_others(checkpoint, tree, source) : Result<void>();
}

/// The record just before a head of `control` is the coverage record that names the other logs: it pins them too.
Result<void> Collector::begin_others(const Checkpoint& checkpoint, TreeReader& tree, const std::string& source) {
  const LogState& control = context_.state.logs[0];
  const std::uint64_t seq = checkpoint.size - 1;
  const auto leaf = tree.node(0, seq);
  const auto proof = inclusion_proof(seq, checkpoint.size, tree.fetch());
  if (!leaf || !proof || !verify_inclusion(*leaf, seq, checkpoint.size, *proof, checkpoint.root)) {
    context_.find(control, seq, seq + 1, "tree", "the record below " + source + " is not the one that it signs");
    return {};
  }
  TRY_ASSIGN(const BlockPtr block, blocks_.find(0, seq, true));
  const Record& record = block->records[seq - block->header.first_seq];
  const Json body = Json::parse(record.value, nullptr, false);
  if (!body.is_object() || text_of(body, "type") != "coverage" || !body.contains("logs") || !body["logs"].is_array()) return {};
  for (const Json& value : body["logs"]) {
    const auto said = log_said(value, context_.state);
    if (!said || said->size == 0 || said->size > context_.state.logs[said->log].tree.size) continue;
    const LogState& log = context_.state.logs[said->log];
    TreeReader other(context_.db, blocks_, context_.state.store_id, said->log, log.tree.size);
    TRY(set_start(log, said->size, said->root, other, source));
  }
  return {};
}

}  // namespace

std::optional<OriginName> split_origin_name(std::string_view origin) {
  std::array<std::string_view, 3> parts;
  for (std::size_t i = parts.size(); i-- > 0;) {
    const std::size_t slash = origin.rfind('/');
    if (slash == std::string_view::npos) return std::nullopt;
    parts[i] = origin.substr(slash + 1);
    origin = origin.substr(0, slash);
  }
  OriginName name{std::string(parts[0]), std::string(parts[2]), 0};
  const auto [end, error] = std::from_chars(parts[1].data(), parts[1].data() + parts[1].size(), name.generation);
  if (origin.empty() || error != std::errc() || end != parts[1].data() + parts[1].size()) return std::nullopt;
  return name;
}

std::optional<Expected> see_control_record(VerifyContext& context, const Record& record, std::uint64_t commit) {
  const Json body = Json::parse(record.value, nullptr, false);
  const std::string type = body.is_object() ? text_of(body, "type") : "";
  std::optional<Expected> own;
  if (type == "salt_key") take_salt_key(context, body, record.seq);
  if (type == "store_created") context.announced_segment_records = number_of(body, "segment_records").value_or(0);
  if (type == "log_added" || type == "log_retention_changed")
    context.announced_logs[static_cast<std::uint16_t>(number_of(body, "log_id").value_or(0xffff))] = {
        text_of(body, "log"), number_of(body, "retention_days").value_or(0)};
  if (type == "remap") take_remap(context, body, record);
  if (type == "generation") context.coverage_commit = context.coverages = 0;
  if (type == "generation")
    for (auto& columns : context.columns) columns.push_back({commit, std::nullopt});
  if (type != "coverage") return own;
  const std::string source = "the coverage record " + std::to_string(record.seq);
  if (!take_coverage(context, body, source, record.receive_time_ns, commit, own)) {
    context.find(context.state.logs[0], record.seq, record.seq + 1, "coverage", source + " cannot be read");
    context.columns_known = false;
  }
  return own;
}

Result<void> collect_heads(VerifyContext& context, const std::vector<FoundNote>& files, const BlockStore& blocks) {
  Collector collector(context, blocks);
  TRY(collector.stored_heads());
  for (const FoundNote& note : files) collector.head_file(note);
  for (const auto& kept : context.request.against) TRY(collector.given(kept, false));
  for (const auto& kept : context.request.since) TRY(collector.given(kept, true));
  return {};
}

}  // namespace tidewaiter::store
