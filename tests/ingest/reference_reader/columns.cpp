// The columns of one event.
#include <algorithm>

#include "core/text.hpp"
#include "tests/ingest/reference_reader/rules.hpp"
#include "tests/ingest/reference_reader/values.hpp"

namespace tidewaiter::ingest::testing {
namespace {

std::string text_of(const Json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

std::uint64_t flag_named(const std::string& word) {
  const auto at = std::find(std::begin(flag_words), std::end(flag_words), word);
  return std::uint64_t{1} << (at - std::begin(flag_words));
}

class EventReader {
 public:
  EventReader(MessageInWork& work, const Found& event, std::int64_t receive_ns)
      : work_(work), event_(event), receive_ns_(receive_ns) {}

  Columns run() {
    const Json& mapping = work_.rules.mapping;
    flags_ = flags_on_the_way(work_, event_);
    if (event_.location < 0) return unmapped();
    for (const auto& [name, sources] : mapping["fields"].items()) {
      const auto column = find_column(name);
      for (const Json& source : sources.is_array() ? sources : Json::array({sources}))
        if (offer(*column, source.is_string() ? Json{{"path", source}} : source)) break;
    }
    for (const Json& mark : mapping.value("marks", Json::array()))
      if (work_.all_hold(event_, mark["when"])) flags_ |= flag_named(mark["flag"]);
    defaults(mapping.value("defaults", Json::object()));
    times();
    out_["format"] = mapping["number"].dump();
    out_["mapping_version"] = mapping["version"].dump();
    if (flags_ != 0) out_["flags"] = std::to_string(flags_);
    return out_;
  }

 private:
  bool offer(const ColumnInfo& column, const Json& source) {
    if (source.contains("when") && !work_.all_hold(event_, source["when"])) return false;
    if (!give(column, source)) return false;
    if (source.contains("flag")) flags_ |= flag_named(source["flag"]);
    return true;
  }

  bool give(const ColumnInfo& column, const Json& source) {
    const std::string as = source.value("as", "");
    if (source.contains("value")) return text(column, source, text_of(source["value"]));
    if (source.contains("which")) {
      for (const auto& [path, literal] : source["which"].items())
        if (work_.at(event_, path) != nullptr) return text(column, source, literal);
      return false;
    }
    if (source.contains("paths")) {
      const auto whole = put_together(source);
      return whole && text(column, source, *whole);
    }
    const Node* node = work_.at(event_, source["path"]);
    if (node == nullptr) return false;
    if (source.contains("pick") && as == "count") {
      const auto count = counted(*node, source["pick"]);
      return count && text(column, source, std::to_string(*count));
    }
    if (source.contains("pick")) {
      const Node* in = picked(*node, source["pick"]);
      return in != nullptr && in->is_text() && text(column, source, in->text);
    }
    if (as == "count")
      return node->kind == Node::Kind::array && text(column, source, std::to_string(node->elements.size()));
    if (node->is_text()) return text(column, source, node->text);
    if (as == "hash" || as == "size") return text(column, source, std::string(node->raw));
    return node->kind == Node::Kind::array && list(column, source, *node);
  }

  const Node* picked(const Node& from, const Json& steps) {
    const Node* at = &from;
    for (const Json& step : steps) {
      if (step.is_string()) at = at->kind == Node::Kind::object ? at->member(step.get<std::string>()) : nullptr;
      else if (step.is_number()) at = step.get<std::size_t>() < at->elements.size() ? &at->elements[step] : nullptr;
      else at = element(*at, step.items().begin().key(), step.items().begin().value());
      if (at == nullptr) return nullptr;
    }
    return at;
  }

  const Node* element(const Node& list, const std::string& key, const Json& wanted) {
    const auto text = wanted_text(wanted);
    if (!text) return nullptr;
    for (const Node& one : list.elements)
      if (is_wanted(one, key, *text)) return &one;
    return nullptr;
  }

  std::optional<std::string> wanted_text(const Json& wanted) {
    if (wanted.is_string() && wanted.get<std::string>().starts_with('=')) return wanted.get<std::string>().substr(1);
    const Node* node = work_.at(event_, wanted.is_object() ? wanted["path"] : wanted);
    if (node != nullptr && wanted.is_object()) node = picked(*node, wanted["pick"]);
    return node != nullptr && node->is_text() ? std::optional(node->text) : std::nullopt;
  }

  static bool is_wanted(const Node& one, const std::string& key, const std::string& text) {
    const Node* name = one.kind == Node::Kind::object ? one.member(key) : nullptr;
    return name != nullptr && name->is_text() && name->text == text;
  }

  /// How many elements are as the last step wants them.
  std::optional<std::size_t> counted(const Node& from, Json steps) {
    const Json last = steps.back();
    steps.erase(steps.size() - 1);
    const Node* list = picked(from, steps);
    if (list == nullptr || list->kind != Node::Kind::array) return std::nullopt;
    const auto text = wanted_text(last.items().begin().value());
    if (!text) return std::nullopt;
    return static_cast<std::size_t>(std::ranges::count_if(
        list->elements, [&](const Node& one) { return is_wanted(one, last.items().begin().key(), *text); }));
  }

  /// Lists fill sets and columns of joined words, with the strings in them.
  bool list(const ColumnInfo& column, const Json& source, const Node& node) {
    const std::string as = source.value("as", "");
    const bool takes_lists = as.empty() ? column.kind == ColumnKind::set : as == "set" || as == "join";
    bool any = false;
    for (const Node& element : node.elements) {
      if (!takes_lists || element.kind != Node::Kind::string) continue;
      if (element.replaced) flags_ |= flag::bad_utf8_replaced;
      any = text(column, source, element.text) || any;
    }
    return any;
  }

  std::optional<std::string> put_together(const Json& source) {
    const std::string with = source.value("with", " ");
    std::string whole;
    bool any = false;
    for (const std::string path : source["paths"]) {
      std::string piece;
      if (path.starts_with('=')) {
        piece = path.substr(1);
      } else if (const Node* node = work_.at(event_, path);
                 node != nullptr && (node->is_text() || source.value("as", "") == "hash")) {
        piece = node->is_text() ? node->text : node->raw;
        const bool there = !piece.empty() || work_.keeps_empty();
        if (!there && !source.value("some", false)) return std::nullopt;
        any = any || there;
      } else if (!source.value("some", false)) {
        return std::nullopt;
      }
      if (work_.keeps_empty() ? path != source["paths"][0] : !piece.empty() && !whole.empty()) whole += with;
      whole += piece;
    }
    return any ? std::optional(whole) : std::nullopt;
  }

  bool text(const ColumnInfo& column, const Json& source, std::string text) {
    const std::string as = source.value("as", "");
    const bool parts = source.contains("separator");
    if (parts) text = part_of(text, source["separator"].get<std::string>()[0], source["segment"]);
    if (text.empty() && (parts || !work_.keeps_empty())) return false;
    if (!text.empty()) {
      const auto extracted = reference_extract(text, as);
      if (!extracted) return false;
      text = *extracted;
    }
    if (source.contains("table")) {
      const auto rows = source["table"].items();
      const auto row = std::find_if(rows.begin(), rows.end(), [&](const auto& one) { return matches(one.key(), text); });
      if (row == rows.end()) return false;
      const std::string to = text_of((*row).value());
      if (to != "=") text = to;
      if (text.empty()) return false;
    }
    return value(column, source, as, text);
  }

  bool value(const ColumnInfo& column, const Json& source, const std::string& as, const std::string& text) {
    const std::string name(column.name);
    switch (column.kind) {
      case ColumnKind::string: return string(column, source, as, text);
      case ColumnKind::enumeration: out_[name] = std::to_string(column.words->find(text).value_or(0)); return true;
      case ColumnKind::set: {
        const std::uint64_t bits = out_.contains(name) ? std::stoull(out_[name]) : 0;
        out_[name] = std::to_string(bits | std::uint64_t{1} << column.words->find(text).value_or(0));
        return true;
      }
      case ColumnKind::ip: {
        const auto ip = parse_ip(text);
        if (ip) out_[name] = to_hex({reinterpret_cast<const char*>(ip->data()), ip->size()});
        if (ip && has_padded_octet(text)) flags_ |= flag::leading_zeros;
        return ip.has_value();
      }
      case ColumnKind::time: {
        const std::string form = source.value("form", "rfc3339");
        const auto time = reference_time(text, form);
        if (!time || *time < 0) {
          if (form != "rfc3339" && form != "civil" && is_number(text)) flags_ |= flag::lossy_number;
          return false;
        }
        out_[name] = std::to_string(*time);
        return true;
      }
      case ColumnKind::number: return number(name, text);
    }
    return false;
  }

  bool number(const std::string& name, const std::string& text) {
    const auto number = reference_number(text);
    const bool port = name == "dst_port" || name == "src_port";
    const std::uint64_t max = port                                               ? 65'535
                              : name == "activity_id"                            ? 255
                              : name == "class_uid" || name == "resource_count" ? 4'294'967'295
                                                                                 : ~std::uint64_t{0};
    if (!number || number->value > max) {
      if (is_number(text)) flags_ |= flag::lossy_number;
      return false;
    }
    if (number->lossy) flags_ |= flag::lossy_number;
    out_[name] = std::to_string(number->value);
    return true;
  }

  bool string(const ColumnInfo& column, const Json& source, const std::string& as, std::string text) {
    static const std::set<std::string> hosts = {"host", "url_host", "host_name", "endpoint_host"};
    const std::string name(column.name);
    text = id_without_secrets(name, text, flags_);
    if (hosts.contains(as)) text = host_form(text);
    if (as == "lower" || as == "hex_id") text = lower_case(text);
    if (as == "join" && !source.contains("paths") && out_.contains(name) && !out_[name].empty()) {
      if (out_[name].size() + 1 + text.size() > column.limit_bytes) flags_ |= flag::truncated_column;
      else out_[name] += " " + text;
      return true;
    }
    if (text.size() > column.limit_bytes) {
      std::size_t end = column.limit_bytes;
      while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
      text.resize(end);
      flags_ |= flag::truncated_column;
    }
    out_[name] = text;
    return true;
  }

  void defaults(const Json& constants) {
    if (out_.contains("principal") && out_["principal"].empty()) out_.erase("principal");
    if (out_.contains("on_behalf_of") && out_.contains("principal") && out_["on_behalf_of"] == out_["principal"])
      out_.erase("on_behalf_of");
    for (const auto& [name, value] : constants.items()) {
      const auto column = find_column(name);
      std::string text = text_of(value);
      if (column->kind == ColumnKind::enumeration) text = std::to_string(column->words->find(text).value_or(0));
      out_.try_emplace(name, text);
    }
  }

  void times() {
    constexpr std::int64_t day = 86'400'000'000'000, year_2000 = 946'684'800'000'000'000;
    out_.try_emplace("observed_time", std::to_string(receive_ns_));
    if (!out_.contains("time")) {
      out_["time"] = std::to_string(receive_ns_);
      quality(TimeQuality::receive);
    } else if (const std::int64_t time = std::stoll(out_["time"]); time < year_2000 || time > receive_ns_ + day) {
      out_["time"] = std::to_string(receive_ns_);
      quality(TimeQuality::skewed);
      flags_ |= flag::clock_skew;
    } else if (!out_.contains("time_quality")) {
      quality(TimeQuality::exact);
    }
  }
  void quality(TimeQuality quality) { out_["time_quality"] = std::to_string(static_cast<int>(quality)); }

  Columns unmapped() {
    out_["time"] = out_["observed_time"] = std::to_string(receive_ns_);
    quality(TimeQuality::receive);
    out_["class_uid"] = "0";
    out_["family"] = std::to_string(static_cast<int>(Family::other));
    if (flags_ != 0) out_["flags"] = std::to_string(flags_);
    return out_;
  }

  MessageInWork& work_;
  const Found& event_;
  const std::int64_t receive_ns_;
  Columns out_;
  std::uint64_t flags_ = 0;
};

}  // namespace

const Node* MessageInWork::at(const Found& event, const std::string& text) {
  const ReferencePath& path = rules.path(text);
  switch (path.from) {
    case ReferencePath::From::message_key: return nullptr;  // messages of these tests have none
    case ReferencePath::From::raw: return event.raw;
    case ReferencePath::From::header:
      for (const auto& [name, value] : message.headers) {
        if (lower_case(name) != path.header) continue;
        Node& node = headers_[path.header];
        node.kind = Node::Kind::string;
        node.text = value;
        return &node;
      }
      return nullptr;
    case ReferencePath::From::root: case ReferencePath::From::event: break;
  }
  const bool from_root = path.from == ReferencePath::From::root;
  const auto length = outer_length(from_root ? Steps() : rules.locations[static_cast<std::size_t>(event.location)], path.up);
  if (!length) return nullptr;
  const Node& base = from_root ? root : *event.way[*length];
  for (const Steps& way : path.ways)
    if (const Node* found = find(base, way, 0, documents)) return found;
  return nullptr;
}

bool MessageInWork::holds(const Found& event, const Json& condition) {
  if (condition.is_string()) return at(event, condition) != nullptr;
  if (condition.contains("absent")) return at(event, condition["absent"]) == nullptr;
  const bool negated = condition.contains("not") || condition.contains("starts");
  const Json words = condition.contains("is") ? condition["is"] : condition.contains("not") ? condition["not"]
                     : Json(condition["starts"].get<std::string>() + "*");
  const Node* node = at(event, condition["path"]);
  std::vector<std::string> texts;
  if (node != nullptr && node->kind != Node::Kind::array)
    texts.push_back(node->is_text() ? node->text : std::string(node->raw));
  else if (node != nullptr)
    for (const Node& element : node->elements)
      if (element.is_text()) texts.push_back(element.text);
  bool is = false;
  for (const std::string& text : texts)
    for (const std::string word : words.is_array() ? words : Json::array({words})) is = is || matches(word, text);
  return is != negated;
}

bool MessageInWork::all_hold(const Found& event, const Json& conditions) {
  if (!conditions.is_array()) return holds(event, conditions);
  return std::all_of(conditions.begin(), conditions.end(), [&](const Json& one) { return holds(event, one); });
}

bool MessageInWork::fits(const Found& event) {
  const Json& detect = rules.mapping["detect"];
  if (detect.contains("unless") && !all_hold(event, detect["unless"])) return false;
  if (!detect.contains("any")) return all_hold(event, detect["present"]);
  return std::any_of(detect["any"].begin(), detect["any"].end(), [&](const Json& way) { return all_hold(event, way); });
}

Columns columns_of_event(MessageInWork& work, const Found& event, std::int64_t receive_ns) {
  return EventReader(work, event, receive_ns).run();
}

}  // namespace tidewaiter::ingest::testing
