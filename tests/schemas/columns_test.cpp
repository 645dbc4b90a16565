// The tables in core/ and the schemas say the same, both ways.
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "app/schema.hpp"
#include "core/column.hpp"
#include "core/record.hpp"
#include "core/text.hpp"

namespace tidewaiter::app {
namespace {

using nlohmann::json;

const std::vector<const EnumTable*>& tables() {
  static const std::vector<const EnumTable*> all = {
      &enums::family, &enums::time_quality, &enums::principal_type, &enums::capability_status, &enums::action,
      &enums::resource_type, &enums::l7, &enums::direction, &enums::volume_basis, &enums::data_class, &enums::risk_tier,
      &enums::outcome, &enums::provenance_kind, &enums::provenance_status, &enums::approval_decision, &enums::severity};
  return all;
}

std::vector<std::string> words_of(std::span<const std::string_view> words) { return {words.begin(), words.end()}; }

/// Leaves of the event schema by their dotted names.
std::map<std::string, json> schema_columns() {
  std::map<std::string, json> columns;
  const json event = resolved_schema("event.schema.json");
  for (const auto& [name, schema] : event.at("properties").items()) {
    if (!schema.contains("properties")) {
      columns[name] = schema;
      continue;
    }
    for (const auto& [child, child_schema] : schema["properties"].items()) columns[name + "." + child] = child_schema;
  }
  return columns;
}

TEST(EnumTables, the_schema_has_the_same_words_in_the_same_order) {
  json defs = json::parse([] {
    for (const SchemaFile& file : embedded_schemas())
      if (file.name == "enums.schema.json") return file.text;
    return std::string_view("{}");
  }()).at("$defs");
  EXPECT_EQ(defs.at("flag").at("enum").get<std::vector<std::string>>(), words_of(flag_words));
  for (const EnumTable* table : tables()) {
    ASSERT_TRUE(defs.contains(std::string(table->name))) << table->name;
    EXPECT_EQ(defs[std::string(table->name)]["enum"].get<std::vector<std::string>>(), words_of(table->words)) << table->name;
    defs.erase(std::string(table->name));
  }
  defs.erase("flag");
  EXPECT_TRUE(defs.empty()) << "no table in core/ for " << defs.dump();
}

TEST(EnumTables, every_table_that_a_column_uses_is_compared) {
  const std::set<const EnumTable*> compared(tables().begin(), tables().end());
  for (const ColumnInfo& column : columns)
    if (column.words != nullptr) {
      EXPECT_TRUE(compared.contains(column.words)) << column.name;
    }
}

TEST(Columns, the_event_schema_has_exactly_the_columns_of_the_table) {
  std::set<std::string> in_schema, in_table;
  for (const auto& [name, schema] : schema_columns()) in_schema.insert(name);
  for (const ColumnInfo& column : columns) in_table.insert(std::string(column.name));
  EXPECT_EQ(in_schema, in_table);
}

void expect_string(const json& schema, const ColumnInfo& column) {
  if (column.name == "capability.scopes") {
    EXPECT_EQ(schema["type"], "array");
    EXPECT_EQ(schema["items"]["maxLength"], column.limit_bytes);
    return;
  }
  EXPECT_EQ(schema["type"], "string") << column.name;
  EXPECT_EQ(schema["maxLength"], column.limit_bytes) << column.name;
}

TEST(Columns, types_limits_and_words_agree) {
  const auto schemas = schema_columns();
  for (const ColumnInfo& column : columns) {
    const json& schema = schemas.at(std::string(column.name));
    switch (column.kind) {
      case ColumnKind::string: expect_string(schema, column); break;
      case ColumnKind::number:
        if (column.name == "flags")
          EXPECT_EQ(schema["items"]["enum"].get<std::vector<std::string>>(), words_of(flag_words));
        else
          EXPECT_EQ(schema["type"], "integer") << column.name;
        break;
      case ColumnKind::time:
      case ColumnKind::ip:
        EXPECT_EQ(schema["type"], "string") << column.name;
        EXPECT_TRUE(schema.contains("pattern")) << column.name;
        break;
      case ColumnKind::enumeration:
        EXPECT_EQ(schema["enum"].get<std::vector<std::string>>(), words_of(column.words->words)) << column.name;
        break;
      case ColumnKind::set:
        EXPECT_EQ(schema["items"]["enum"].get<std::vector<std::string>>(), words_of(column.words->words)) << column.name;
        break;
    }
  }
}

TEST(Columns, the_reject_schema_knows_every_reason) {
  std::vector<std::string> reasons;
  for (int i = 1; i < 256; ++i) {
    const std::string name = reject_reason_name(static_cast<RejectReason>(i));
    if (name.empty() || name == "unknown" || name == "none") break;
    reasons.push_back(name);
  }
  const json schema = resolved_schema("reject.schema.json");
  EXPECT_EQ(schema["properties"]["reason"]["enum"].get<std::vector<std::string>>(), reasons);
}

std::string random_text(std::mt19937& random, std::size_t bytes_max) {
  static constexpr std::string_view pieces[] = {"a", "Z", "9", "-", ".", " ", "\"", "\\", "\n", "\x01", "\xC3\xA9", "\xF0\x9F\x8C\x8D"};
  std::string text;
  const std::size_t wanted = random() % (bytes_max + 1);
  while (true) {
    const std::string_view piece = pieces[random() % std::size(pieces)];
    if (text.size() + piece.size() > wanted) return text;
    text += piece;
  }
}

/// Each column with a chance of one half, values over the whole range that the schema allows.
Event random_event(std::mt19937& random, std::deque<std::string>& kept) {
  Event event;
  for (const ColumnInfo& column : columns) {
    if (random() % 2 == 0) continue;
    const auto number = std::uint64_t{random()} << 21 | random();
    switch (column.kind) {
      case ColumnKind::string: {
        std::string text = random_text(random, column.limit_bytes);
        event.set(static_cast<Str>(column.slot), kept.emplace_back(std::move(text)));
        break;
      }
      case ColumnKind::number: {
        const bool port = column.name.ends_with("_port");
        const std::uint64_t value = column.name == "flags" ? number % 256 : port ? number % 65536 : number;
        event.set(static_cast<Num>(column.slot), value);
        break;
      }
      case ColumnKind::time: event.set(static_cast<Num>(column.slot), number * 1000 + random() % 1000); break;
      case ColumnKind::enumeration: event.set(static_cast<Num>(column.slot), random() % column.words->words.size()); break;
      case ColumnKind::set:
        event.set(static_cast<Num>(column.slot), number & ((std::uint64_t{1} << column.words->words.size()) - 1));
        break;
      case ColumnKind::ip: {
        Ip ip{};
        for (auto& byte : ip) byte = static_cast<std::uint8_t>(random());
        if (random() % 2) ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, ip[12], ip[13], ip[14], ip[15]};
        event.set(static_cast<Addr>(column.slot), ip);
        break;
      }
    }
  }
  return event;
}

TEST(Columns, the_json_of_any_event_fits_the_event_schema) {
  const std::uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const json schema = resolved_schema("event.schema.json");
  for (int round = 0; round < 120; ++round) {
    std::deque<std::string> kept;
    const Event event = random_event(random, kept);
    std::string text;
    append_event_json(text, event, round % 2 == 0);
    const json document = json::parse(text, nullptr, false);
    ASSERT_FALSE(document.is_discarded()) << text;
    const auto errors = validate(document, schema);
    ASSERT_TRUE(errors.empty()) << errors[0].pointer << ": " << errors[0].message << "\n" << text;
  }
}

}  // namespace
}  // namespace tidewaiter::app
