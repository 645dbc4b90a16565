#include "ingest/plan.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <span>

#include "core/check.hpp"
#include "ingest/mapping_words.hpp"
#include "ingest/whole_number.hpp"

namespace tidewaiter::ingest {
namespace {

using json = nlohmann::ordered_json;  // keeps the order of keys

std::size_t key_hash(std::string_view key) {
  return (short_key(key) * 0x9E3779B97F4A7C15 ^ key.size() * 0xD6E8FEB86659FD93) >> 40;
}

/// The tree while it grows; flattened into Plan at the end.
struct Branch {
  std::map<std::string, Branch, std::less<>> children;
  std::vector<std::string> order;  // keys as the mapping names them: the first guess of their order in messages
  std::vector<Leaf> leaves;
  std::int32_t capture = -1;
};

class Compiler {
 public:
  Compiler(std::string_view name, Plan& plan) : name_(name), plan_(plan) {}

  Result<void> run(const json& mapping) {
    TRY(head(mapping));
    at_ = "fields";
    for (const auto& [column, sources] : mapping.at("fields").items()) TRY(field(column, sources));
    at_ = "ignore";
    if (mapping.contains("ignore"))
      for (const json& path : mapping["ignore"]) branch(path.get<std::string>());
    at_ = "defaults";
    if (mapping.contains("defaults"))
      for (const auto& [column, value] : mapping["defaults"].items()) TRY(constant(column, value));
    plan_.nodes.emplace_back();
    flatten(root_, 0);
    if (!payload_.empty()) {
      plan_.payload_node = plan_.child(0, payload_);
      if (plan_.payload_node == Plan::none) return wrong("headers.payload", "no field is read below it");
    }
    return {};
  }

  /// The key that was read last.
  const std::string& place() const { return at_; }

 private:
  Error wrong(std::string_view place, std::string_view what) const {
    return fail(Code::invalid_argument,
                "mapping " + name_ + ": " + std::string(place) + ": " + std::string(what));
  }

  Result<void> head(const json& mapping) {
    for (const char* key : {"format", "number", "version", "fields"})
      if (!mapping.contains(key)) return wrong(key, "is missing");
    plan_.format = mapping[at_ = "format"].get<std::string>();
    plan_.number = whole_number<std::uint16_t>(mapping[at_ = "number"]);
    plan_.version = whole_number<std::uint16_t>(mapping[at_ = "version"]);
    at_ = "headers";
    if (mapping.contains("headers")) {
      plan_.header_prefix = mapping["headers"].at("prefix").get<std::string>();
      plan_.content_type = mapping["headers"].value("content_type", std::string());
      payload_ = plan_.payload_key = mapping["headers"].at("payload").get<std::string>();
      if (mapping["headers"].contains("base64")) {
        TRY_ASSIGN(plan_.base64_capture, capture(mapping["headers"]["base64"].get<std::string>()));
      }
    }
    at_ = "detect";
    if (mapping.contains("detect"))
      for (const json& path : mapping["detect"].at("present")) {
        TRY_ASSIGN(const std::int32_t number, capture(path.get<std::string>()));
        plan_.required_captures |= 1u << number;
      }
    if (mapping.contains("detect") && mapping["detect"].contains("unless"))
      for (const json& other : mapping["detect"]["unless"]) {
        TRY_ASSIGN(const std::int32_t number, capture(other.at("path").get<std::string>()));
        plan_.foreign.push_back({static_cast<std::uint8_t>(number), other.at("starts").get<std::string>()});
      }
    return {};
  }

  Branch& branch(std::string_view path) {
    Branch* at = &root_;
    while (!path.empty()) {
      const std::size_t dot = path.find('.');
      const std::string key(path.substr(0, dot));
      path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
      auto [child, added] = at->children.try_emplace(key);
      if (added) at->order.push_back(key);
      at = &child->second;
    }
    return *at;
  }

  Result<std::int32_t> capture(std::string_view path) {
    Branch& at = branch(path);
    if (at.capture < 0) {
      if (captures_ == Plan::captures_max) return wrong(path, "more than 16 captured paths");
      at.capture = static_cast<std::int32_t>(captures_++);
    }
    return at.capture;
  }

  Result<void> field(const std::string& name, const json& sources) {
    const auto column = find_column(name);
    at_ = "fields." + name;
    if (!column) return wrong(at_, no_such_column(name));
    const json list = sources.is_array() ? sources : json::array({sources});
    const auto first = static_cast<std::uint8_t>(plan_.offers.size());
    std::size_t number = 0;
    for (const json& entry : list) {
      if (sources.is_array()) at_ = "fields." + name + "[" + std::to_string(number++) + "]";
      const json source = entry.is_string() ? json{{"path", entry.get<std::string>()}} : entry;
      if (source.contains("paths") || source.contains("when"))
        TRY(join(*column, source));
      else
        TRY(leaf(*column, source, list.size() > 1));
    }
    const auto count = static_cast<std::uint8_t>(plan_.offers.size() - first);
    if (count > 0) plan_.contests.push_back({first, count});
    return {};
  }

  Result<void> join(const ColumnInfo& column, const json& source) {
    if (column.kind != ColumnKind::string) return wrong(at_, "only a string column can be joined");
    Join made{static_cast<Str>(column.slot), leaf_of(column), {}, {}};
    for (const json& path : source.contains("paths") ? source["paths"] : json::array({source.at("path")})) {
      TRY_ASSIGN(const std::int32_t number, capture(path.get<std::string>()));
      made.captures.push_back(static_cast<std::uint8_t>(number));
    }
    if (source.contains("when")) {
      TRY_ASSIGN(Guard guard, guard_of(source["when"]));
      made.when.push_back(std::move(guard));
    }
    plan_.joins.push_back(std::move(made));
    return {};
  }

  /// Of a condition that is_plain_mapping lets through: one word with '*' at its end.
  Result<Guard> guard_of(const json& condition) {
    TRY_ASSIGN(const std::int32_t number, capture(condition.at("path").get<std::string>()));
    const bool negated = condition.contains("not");
    std::string start = condition.at(negated ? "not" : "is").get<std::string>();
    start.pop_back();
    return Guard{static_cast<std::uint8_t>(number), negated, std::move(start)};
  }

  Result<void> leaf(const ColumnInfo& column, const json& source, bool contested) {
    Leaf made = leaf_of(column);
    if (source.contains("as")) {
      const auto as = transform_of(source["as"].get<std::string>());
      if (!as || !fits(*as, column.kind)) return wrong(at_ + ".as", does_not_fit(source["as"].get<std::string>(), column.kind));
      made.as = *as;
    }
    if (source.contains("form")) {
      const auto form = form_of(source["form"].get<std::string>());
      if (!form) return wrong(at_, "'form' must be rfc3339, s, ms, us, ns, float_s, civil or any");
      made.form = *form;
    }
    if (source.contains("separator")) {
      made.separator = source["separator"].get<std::string>().at(0);
      made.segment = whole_number<std::uint8_t>(source.at("segment"));
    }
    if (contested) {
      if (made.as == Transform::word_set || made.as == Transform::join_words)
        return wrong(at_, "a column read from an array can have one source only");
      if (plan_.offers.size() == Plan::offers_max) return wrong(at_, "more than 64 sources of such columns");
      made.contested = true;
      made.offer = static_cast<std::uint8_t>(plan_.offers.size());
      plan_.offers.push_back(made);
    }
    branch(source.at("path").get<std::string>()).leaves.push_back(made);
    return {};
  }

  Result<void> constant(const std::string& name, const json& value) {
    auto made = default_of(name, value.is_string() ? value.get<std::string>() : value.dump());
    if (!made) return wrong("defaults." + name, made.error().message);
    plan_.defaults.push_back(*made);
    return {};
  }

  void flatten(const Branch& from, std::uint32_t at) {
    const auto first = static_cast<std::uint32_t>(plan_.nodes.size());
    const auto count = static_cast<std::uint32_t>(from.order.size());
    plan_.nodes.resize(plan_.nodes.size() + count);
    plan_.nodes[at].first_child = first;
    plan_.nodes[at].child_count = count;
    plan_.nodes[at].capture = from.capture;
    plan_.nodes[at].first_leaf = static_cast<std::uint32_t>(plan_.leaves.size());
    plan_.nodes[at].leaf_count = static_cast<std::uint32_t>(from.leaves.size());
    plan_.leaves.insert(plan_.leaves.end(), from.leaves.begin(), from.leaves.end());
    for (std::uint32_t i = 0; i < count; ++i) set_key(plan_.nodes[first + i], from.order[i]);
    index_children(at);
    for (std::uint32_t i = 0; i < count; ++i) flatten(from.children.find(from.order[i])->second, first + i);
  }

  static void set_key(PlanNode& node, const std::string& key) {
    node.key = key;
    if (key.size() >= node.key_bytes.size()) return;
    std::memcpy(node.key_bytes.data(), key.data(), key.size());
    node.key_bytes[key.size()] = '"';
    node.key_mask = static_cast<std::uint32_t>((std::uint64_t{2} << key.size()) - 1);
  }

  void index_children(std::uint32_t at) {
    PlanNode& node = plan_.nodes[at];
    std::uint32_t size = 4;
    while (size < node.child_count * 4) size *= 2;
    node.table = static_cast<std::uint32_t>(plan_.table.size());
    node.table_mask = size - 1;
    plan_.table.resize(plan_.table.size() + size, Plan::none);
    for (std::uint32_t i = 0; i < node.child_count; ++i) {
      std::size_t slot = key_hash(plan_.nodes[node.first_child + i].key) & node.table_mask;
      while (plan_.table[node.table + slot] != Plan::none) slot = (slot + 1) & node.table_mask;
      plan_.table[node.table + slot] = node.first_child + i;
    }
  }

  std::string name_, payload_, at_;  // at_: the key that is being read, for errors
  Plan& plan_;
  Branch root_;
  std::size_t captures_ = 0;
};

}  // namespace

std::string_view lasting_text(std::string_view text) {
  static std::mutex mutex;
  static auto* texts = new std::set<std::string, std::less<>>;
  std::lock_guard lock(mutex);
  return *texts->emplace(text).first;
}

Result<std::unique_ptr<Plan>> Plan::compile(std::string_view text, std::string_view name) {
  const json mapping = json::parse(text, nullptr, false);
  const std::string who = "mapping " + std::string(name);
  if (!mapping.is_object()) return fail(Code::invalid_argument, who + ": not a JSON object");
  auto plan = std::make_unique<Plan>();
  Compiler compiler(name, *plan);
  try {
    TRY(compiler.run(mapping));
  } catch (const std::exception&) {  // no valid file: commands hold it against the schema first, which knows the line
    return fail(Code::invalid_argument, who + ": " + compiler.place() + ": " + std::string(not_by_the_schema));
  }
  for (const PlanNode& node : plan->nodes)
    if (node.child_count > 64) return fail(Code::invalid_argument, who + ": more than 64 keys in '" + node.key + "'");
  return plan;
}

std::uint32_t Plan::child(std::uint32_t node, std::string_view key) const {
  const PlanNode& parent = nodes[node];
  std::size_t slot = key_hash(key) & parent.table_mask;
  while (table[parent.table + slot] != none) {
    const std::uint32_t found = table[parent.table + slot];
    if (nodes[found].key == key) return found;
    slot = (slot + 1) & parent.table_mask;
  }
  return none;
}

}  // namespace tidewaiter::ingest
