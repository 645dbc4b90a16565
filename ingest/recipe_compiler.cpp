// Reads a mapping file in the whole language into a Recipe. Cold path.
#include <map>
#include <nlohmann/json.hpp>

#include "ingest/mapping_words.hpp"
#include "ingest/recipe.hpp"
#include "ingest/recipe_tree.hpp"
#include "ingest/whole_number.hpp"

namespace tidewaiter::ingest {
namespace {

using json = nlohmann::ordered_json;  // keeps the order of keys

class RecipeCompiler {
 public:
  explicit RecipeCompiler(Recipe& recipe) : recipe_(recipe) {}

  /// Goes through all of the mapping, so that every mistake is known at once.
  void run(const json& mapping) {
    head(mapping);
    if (!places(mapping)) return;
    attempt("detect", [&] { return detection(mapping.value("detect", json::object())); });
    attempt("fields", [&] {
      const json fields = mapping.value("fields", json::object());
      for (const auto& [column, sources] : fields.items())
        attempt("fields." + column, [&, &column = column, &sources = sources] { return field(column, sources); });
      return Result<void>();
    });
    each(mapping, "marks", [&](const json& mark) { return add_mark(mark); });
    each(mapping, "signature", [&](const json& places) { return add_signature(places); });
    attempt("defaults", [&] {
      const json defaults = mapping.value("defaults", json::object());
      for (const auto& [column, value] : defaults.items())
        attempt("defaults." + column, [&, &column = column, &value = value] { return constant(column, value); });
      return Result<void>();
    });
    each(mapping, "ignore", [&](const json& path) { return add_ignored(path); });
    if (!faults_.empty()) return;
    if (auto planted = plant_paths(recipe_, read_); !planted) {
      const std::string& message = planted.error().message;  // "KEY: what is wrong"
      const std::size_t colon = std::min(message.find(": "), message.size());
      (void)wrong(message.substr(0, colon), std::string_view(message).substr(std::min(colon + 2, message.size())));
    }
  }

  std::vector<MappingFault> take_faults() { return std::move(faults_); }

 private:
  Error wrong(std::string_view place, std::string_view what) {
    faults_.push_back({std::string(place), std::string(what)});
    return fail(Code::invalid_argument, std::string(place) + ": " + std::string(what));
  }

  /// What goes wrong is among the faults afterwards, also what is of another type than the schema asks for.
  template <class Step>
  void attempt(const std::string& place, Step step) {
    at_ = place;
    try {
      (void)step();
    } catch (const std::exception&) {  // commands hold a file against the schema first, which knows more of it
      (void)wrong(at_, not_by_the_schema);
    }
  }

  template <class Step>
  void each(const json& mapping, const std::string& key, Step step) {
    attempt(key, [&] {
      std::size_t number = 0;
      for (const json& one : mapping.value(key, json::array()))
        attempt(key + "[" + std::to_string(number++) + "]", [&] { return step(one); });
      return Result<void>();
    });
  }

  Result<ParsedPath> read_path(std::string_view text) {
    auto parsed = parse_path(text);
    if (!parsed) return wrong(at_, parsed.error().message);
    if (parsed->ways.size() > Recipe::alternatives_max)
      return wrong(at_, "path '" + std::string(text) + "': more than 256 alternatives");
    return parsed;
  }

  /// One order for each number of words that a line may have.
  void text_order(const json& order) {
    LineOrder made{order.at("columns"), 0, order.at("telling").at("is")};
    const auto telling = std::find(made.columns.begin(), made.columns.end(), order["telling"].at("column").get<std::string>());
    made.telling = static_cast<std::size_t>(telling - made.columns.begin());
    std::vector<std::size_t> counts;
    for (const json& words : order.value("words", json::array({made.columns.size()})))
      counts.push_back(whole_number<std::size_t>(words));
    std::sort(counts.rbegin(), counts.rend());
    for (const std::size_t words : counts) {
      made.columns.resize(std::min(words, made.columns.size()));
      recipe_.text_orders.push_back(made);
    }
  }

  void head(const json& mapping) {
    for (const char* key : {"format", "number", "version", "fields"})
      if (!mapping.contains(key)) (void)wrong(key, "is missing");
    member(mapping, "format", [&](const json& value) { recipe_.format = value.get<std::string>(); });
    member(mapping, "number", [&](const json& value) { recipe_.number = whole_number<std::uint16_t>(value); });
    member(mapping, "version", [&](const json& value) { recipe_.version = whole_number<std::uint16_t>(value); });
    member(mapping, "description", [&](const json& value) { recipe_.description = value.get<std::string>(); });
    member(mapping, "example", [&](const json& value) { recipe_.example = as_text(value); });
    member(mapping, "text", [&](const json& text) {
      for (const json& word : text.at("columns")) recipe_.text_columns.push_back(word.get<std::string>());
      for (const json& word : text.at("header")) recipe_.text_header.push_back(word.get<std::string>());
      for (const json& order : text.value("orders", json::array())) text_order(order);
      recipe_.text_quotes = text.value("quotes", false);
      if (text.contains("words_min")) recipe_.text_words_min = whole_number<std::size_t>(text["words_min"]);
    });
    member(mapping, "headers", [&](const json& headers) {
      recipe_.header_prefix = headers.at("prefix").get<std::string>();
      recipe_.content_type = headers.value("content_type", "");
      recipe_.payload = headers.at("payload").get<std::string>();
    });
  }

  template <class Read>
  void member(const json& mapping, const char* key, Read read) {
    if (!mapping.contains(key)) return;
    attempt(key, [&] {
      read(mapping[key]);
      return Result<void>();
    });
  }

  /// False: all other paths begin at these, so that nothing can be said of them.
  bool places(const json& mapping) {
    const std::size_t before = faults_.size();
    attempt("events", [&] {
      const json events = mapping.value("events", json::array({""}));
      for (std::size_t e = 0; e < events.size(); ++e)
        attempt("events[" + std::to_string(e) + "]", [&] { return add_place(events[e].get<std::string>()); });
      return Result<void>();
    });
    if (read_.places.size() > Recipe::locations_max) (void)wrong("events", "more than " + std::to_string(Recipe::locations_max) + " places");
    return faults_.size() == before;
  }

  Result<void> add_place(const std::string& text) {
    TRY_ASSIGN(const ParsedPath parsed, read_path(text));
    if (parsed.origin != ParsedPath::Origin::event || parsed.up > 0)
      return wrong(at_, "path '" + text + "': expected a path of keys, from the message's root to where an event stands");
    for (const Path& way : parsed.ways) read_.places.push_back(way);
    for (std::size_t i = 0; i < parsed.ways.size(); ++i) recipe_.locations.push_back({text, false, false, 0});
    return {};
  }

  /// The cell of a path within one location; the same path has one cell.
  Result<std::uint16_t> cell(const std::string& text) {
    if (const auto known = cells_.find(text); known != cells_.end()) return known->second;
    TRY_ASSIGN(ParsedPath parsed, read_path(text));
    const auto number = static_cast<std::uint16_t>(read_.paths.size());
    cells_.emplace(text, number);
    if (parsed.origin == ParsedPath::Origin::header) recipe_.headers.emplace_back(parsed.header, number);
    if (parsed.origin == ParsedPath::Origin::message_key) recipe_.key_cell = number;
    read_.paths.push_back(std::move(parsed));
    return number;
  }

  static std::vector<std::string> words_of(const json& value) {
    if (value.is_array()) return value.get<std::vector<std::string>>();
    return {value.get<std::string>()};
  }

  Result<Condition> condition(const json& value) {
    Condition made;
    if (value.is_string()) {
      TRY_ASSIGN(made.cell, cell(value.get<std::string>()));
      return made;
    }
    if (value.contains("absent")) {
      made.negated = true;
      TRY_ASSIGN(made.cell, cell(value["absent"].get<std::string>()));
      return made;
    }
    TRY_ASSIGN(made.cell, cell(value.at("path").get<std::string>()));
    made.negated = value.contains("not");
    for (const std::string& word : words_of(made.negated ? value["not"] : value.at("is")))
      made.is.push_back(Pattern::of(word));
    return made;
  }

  Result<std::vector<Condition>> conditions(const json& value) {
    std::vector<Condition> made;
    for (const json& one : value.is_array() ? value : json::array({value})) {
      TRY_ASSIGN(Condition next, condition(one));
      made.push_back(std::move(next));
    }
    return made;
  }

  Result<void> detection(const json& detect) {
    at_ = "detect";
    json ways = json::array();
    if (detect.contains("any")) ways = detect["any"];
    else if (detect.contains("present")) ways.push_back(detect["present"]);
    else return wrong("detect", "'any' or 'present' is missing");
    for (std::size_t w = 0; w < ways.size(); ++w)
      attempt(detect.contains("any") ? "detect.any[" + std::to_string(w) + "]" : "detect.present", [&]() -> Result<void> {
        TRY_ASSIGN(std::vector<Condition> all, conditions(ways[w]));
        recipe_.detect.push_back(std::move(all));
        return {};
      });
    std::size_t number = 0;
    for (const json& other : detect.value("unless", json::array()))
      attempt("detect.unless[" + std::to_string(number++) + "]", [&]() -> Result<void> {
        Condition foreign;
        TRY_ASSIGN(foreign.cell, cell(other.at("path").get<std::string>()));
        foreign.negated = true;
        foreign.is.push_back(Pattern::of(other.at("starts").get<std::string>() + "*"));
        for (auto& way : recipe_.detect) way.push_back(foreign);
        return {};
      });
    return {};
  }

  Result<void> field(const std::string& name, const json& sources) {
    const auto column = find_column(name);
    at_ = "fields." + name;
    if (!column) return wrong(at_, no_such_column(name));
    ColumnSources made{*column, {}};
    for (const json& entry : sources.is_array() ? sources : json::array({sources})) {
      const std::string number = "[" + std::to_string(made.sources.size()) + "]";
      made.sources.emplace_back();  // also of what is wrong, for the numbers of those behind it
      attempt("fields." + name + (sources.is_array() ? number : ""), [&]() -> Result<void> {
        const json source = entry.is_string() ? json{{"path", entry.get<std::string>()}} : entry;
        TRY_ASSIGN(made.sources.back(), read_source(*column, source));
        return {};
      });
    }
    recipe_.columns.push_back(std::move(made));
    return {};
  }

  Result<ColumnSource> read_source(const ColumnInfo& column, const json& source) {
    ColumnSource made;
    TRY(texts(source, made));
    if (source.contains("pick")) {
      if (!source.contains("path")) return wrong(at_, "'pick' goes with 'path'");
      TRY_ASSIGN(made.pick, pick_steps(source["pick"]));
    }
    TRY(transforms(column, source, made));
    if (made.extract == Extract::count && !made.pick.empty() && !made.pick.back().is_element)
      return wrong(at_, "'count' after 'pick' counts elements: the last step must be {\"key\": \"text\"}");
    know_values(made);
    if (source.contains("when")) {
      TRY_ASSIGN(made.when, conditions(source["when"]));
    }
    if (source.contains("flag")) {
      const auto bit = flag_of(source["flag"].get<std::string>());
      if (!bit) return wrong(at_ + ".flag", "no such flag");
      made.flag = *bit;
    }
    return made;
  }

  /// Where the text comes from.
  Result<void> texts(const json& source, ColumnSource& made) {
    if (source.contains("which")) {
      for (const auto& [path, text] : source["which"].items()) {
        TRY_ASSIGN(const std::uint16_t number, cell(path));
        made.which.push_back({number, lasting_text(text.get<std::string>()), {}});
      }
      made.description = "which";
      return {};
    }
    std::vector<std::string> paths;
    if (source.contains("value")) paths = {"=" + as_text(source["value"])};
    else if (source.contains("paths")) paths = source["paths"].get<std::vector<std::string>>();
    else if (source.contains("path")) paths = {source["path"].get<std::string>()};
    else return wrong(at_, "path, paths, which or value is missing");
    made.with = lasting_text(source.value("with", " "));
    made.some_suffice = source.value("some", false);
    for (const std::string& path : paths) {
      made.description += (made.description.empty() ? "" : " + ") + path;
      SourcePart part;
      if (path.starts_with('=')) {
        part.literal = lasting_text(std::string_view(path).substr(1));
      } else {
        TRY_ASSIGN(part.cell, cell(path));
      }
      made.parts.push_back(part);
    }
    return {};
  }

  Result<std::vector<PickStep>> pick_steps(const json& steps) {
    std::vector<PickStep> made;
    for (const json& step : steps) {
      PickStep next;
      if (step.is_string()) next.key = step.get<std::string>();
      else if (step.is_number()) next.index = whole_number<std::int64_t>(step);
      else TRY(pick_element(step, next));
      made.push_back(std::move(next));
    }
    return made;
  }

  Result<void> pick_element(const json& step, PickStep& made) {
    made.is_element = true;
    made.key = step.items().begin().key();
    const json& wanted = step.items().begin().value();
    if (wanted.is_object()) {
      made.picked = std::make_unique<Pick>();
      TRY_ASSIGN(made.picked->cell, cell(wanted.at("path").get<std::string>()));
      TRY_ASSIGN(made.picked->steps, pick_steps(wanted.at("pick")));
    } else if (const auto text = wanted.get<std::string>(); text.starts_with('=')) {
      made.literal = lasting_text(std::string_view(text).substr(1));
    } else {
      TRY_ASSIGN(made.cell, cell(text));
    }
    return {};
  }

  static std::string as_text(const json& scalar) {
    return scalar.is_string() ? scalar.get<std::string>() : scalar.dump();
  }

  Result<void> transforms(const ColumnInfo& column, const json& source, ColumnSource& made) {
    made.leaf = leaf_of(column);
    if (source.contains("as")) {
      const auto word = source["as"].get<std::string>();
      if (const auto extract = extract_of(word)) {
        made.extract = *extract;
        if (*extract == Extract::url_host || *extract == Extract::host_name || *extract == Extract::endpoint_host)
          made.leaf.as = column.kind == ColumnKind::string ? Transform::host : made.leaf.as;
        if (*extract == Extract::hash) made.leaf.is_id = false;  // no secret is left in it
        if (*extract == Extract::hex_id && column.kind == ColumnKind::string) made.leaf.as = Transform::lower;
      } else {
        const auto as = transform_of(word);
        const bool puts_together = source.contains("paths") && word == "join";
        if (!as || (!fits(*as, column.kind) && !puts_together)) return wrong(at_ + ".as", does_not_fit(word, column.kind));
        made.leaf.as = puts_together ? natural_transform(column.kind) : *as;
      }
    }
    if (source.contains("form")) {
      const auto form = form_of(source["form"].get<std::string>());
      if (!form) return wrong(at_ + ".form", "must be rfc3339, s, ms, us, ns, float_s, civil or any");
      made.leaf.form = *form;
    }
    if (source.contains("separator")) {
      made.separator = source["separator"].get<std::string>().at(0);
      made.segment = whole_number<int>(source.at("segment"));
    }
    if (source.contains("table")) TRY(table(column, source["table"], made));
    return {};
  }

  Result<void> table(const ColumnInfo& column, const json& rows, ColumnSource& made) {
    for (const auto& [from, to] : rows.items()) {
      TableRow row{Pattern::of(from), lasting_text(as_text(to)), as_text(to) == "=", {}};
      if (column.words != nullptr && !row.keep && !row.to.empty() && !column.words->find(row.to))
        (void)wrong(at_ + ".table." + from, no_such_word(row.to, *column.words));
      made.table.push_back(std::move(row));
    }
    return {};
  }

  /// What can be said of a source's values before there is a message.
  static void know_values(ColumnSource& made) {
    for (TableRow& row : made.table)
      if (!row.keep) row.value = Constant::of(made.leaf, row.to);
    if (made.extract != Extract::none || made.separator != 0 || !made.table.empty() || !made.pick.empty()) return;
    for (ColumnSource::Literal& one : made.which) one.value = Constant::of(made.leaf, one.text);
    if (made.parts.size() != 1) return;
    if (made.parts[0].cell < 0) made.value = Constant::of(made.leaf, made.parts[0].literal);
    else made.is_direct = true;
  }

  Result<void> add_mark(const json& value) {
    const auto bit = flag_of(value.at("flag").get<std::string>());
    if (!bit) return wrong(at_ + ".flag", "no such flag");
    TRY_ASSIGN(std::vector<Condition> when, conditions(value.at("when")));
    recipe_.marks.push_back({*bit, std::move(when)});
    return {};
  }

  Result<void> add_signature(const json& value) {
    static const std::map<std::string, std::int32_t SignaturePlaces::*> members = {
        {"payload", &SignaturePlaces::payload},       {"payload_type", &SignaturePlaces::payload_type},
        {"signatures", &SignaturePlaces::signatures}, {"digest", &SignaturePlaces::digest},
        {"signature", &SignaturePlaces::signature},   {"digest_algorithm", &SignaturePlaces::digest_algorithm},
        {"material", &SignaturePlaces::material}};
    SignaturePlaces made;
    for (const auto& [name, path] : value.items()) {
      const auto member = members.find(name);
      if (member == members.end()) return wrong(at_ + "." + name, "no such part of a signature");
      TRY_ASSIGN(made.*(member->second), cell(path.get<std::string>()));
    }
    const bool dsse = made.payload >= 0 && made.payload_type >= 0 && made.signatures >= 0;
    if (!dsse && (made.digest < 0 || made.signature < 0))
      return wrong(at_, "give payload, payload_type and signatures, or digest and signature");
    recipe_.signatures.push_back(made);
    return {};
  }

  Result<void> add_ignored(const json& path) {
    TRY_ASSIGN(ParsedPath parsed, read_path(path.get<std::string>()));
    read_.ignored.push_back(std::move(parsed));
    return {};
  }

  Result<void> constant(const std::string& name, const json& value) {
    auto made = default_of(name, as_text(value));
    if (!made) return wrong("defaults." + name, made.error().message);
    recipe_.defaults.push_back(*made);
    return {};
  }

  std::string at_;  // the key that is being read
  std::vector<MappingFault> faults_;
  Recipe& recipe_;
  std::map<std::string, std::uint16_t> cells_;
  ReadPaths read_;
};

}  // namespace

std::unique_ptr<Recipe> Recipe::compile(std::string_view text, std::vector<MappingFault>& faults) {
  const json mapping = json::parse(text, nullptr, false);
  auto recipe = std::make_unique<Recipe>();
  if (!mapping.is_object()) {
    faults.push_back({"", "not a JSON object"});
    return recipe;
  }
  RecipeCompiler compiler(*recipe);
  compiler.run(mapping);
  for (MappingFault& fault : compiler.take_faults()) faults.push_back(std::move(fault));
  return recipe;
}

Result<std::unique_ptr<Recipe>> Recipe::compile(std::string_view text, std::string_view name) {
  std::vector<MappingFault> faults;
  auto recipe = compile(text, faults);
  if (faults.empty()) return recipe;
  std::string message;
  for (const MappingFault& fault : faults)
    message.append(message.empty() ? "" : "\n").append("mapping ").append(name).append(": ")
        .append(fault.key).append(fault.key.empty() ? "" : ": ").append(fault.message);
  return fail(Code::invalid_argument, std::move(message));
}

}  // namespace tidewaiter::ingest
