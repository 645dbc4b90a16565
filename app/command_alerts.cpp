// `tidewaiter alerts`: the list, newest first, or one alert with its explanation, its evidence and the commands that
// look further and prove it.
#include <algorithm>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "app/command_store.hpp"
#include "app/feedback_records.hpp"
#include "app/text_table.hpp"
#include "core/clock.hpp"
#include "core/text.hpp"
#include "store/mask.hpp"
#include "store/query.hpp"

namespace tidewaiter::app {

namespace {

using Json = nlohmann::json;

constexpr std::uint64_t list_default = 50;
constexpr std::size_t evidence_shown_max = 20;

/// "" when there is no such text.
std::string text_of(const Json& object, const char* key) {
  if (!object.is_object()) return {};
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

Json member(const Json& object, const char* key) {
  if (!object.is_object()) return {};
  const auto it = object.find(key);
  return it != object.end() ? *it : Json();
}

std::string value_text(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) {
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, "%.4g", value.get<double>());
    return buffer;
  }
  return value.dump();
}

std::string quoted_word(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

/// The filter that finds what the alert is about, or "" when its entity is no column.
std::string entity_filter(const Json& alert) {
  const Json entity = member(alert, "entity");
  const std::string type = text_of(entity, "type"), id = text_of(entity, "id"), tenant = text_of(entity, "tenant");
  if (id.empty() || !find_column(type) || find_column(type)->kind != ColumnKind::string) return {};
  std::string filter = type + " == " + quoted_word(id);
  if (!tenant.empty()) filter += " and tenant == " + quoted_word(tenant);
  return filter;
}

struct EvidenceRow {
  std::string log;
  std::uint64_t seq = 0, sub = 0;
  std::optional<store::StoredRecord> record;
};

std::vector<EvidenceRow> evidence_of(const store::Reader& reader, const Json& alert) {
  std::vector<EvidenceRow> rows;
  const Json list = member(alert, "evidence");
  for (const Json& item : list.is_array() ? list : Json::array()) {
    const Json seq = member(item, "seq"), sub = member(item, "sub");
    EvidenceRow row{text_of(item, "log"), seq.is_number_unsigned() ? seq.get<std::uint64_t>() : 0,
                    sub.is_number_unsigned() ? sub.get<std::uint64_t>() : 0, std::nullopt};
    if (const auto log = find_log(reader, row.log))
      if (auto record = reader.record(*log, row.seq)) row.record = std::move(*record);
    rows.push_back(std::move(row));
  }
  return rows;
}

store::Row row_of(const EvidenceRow& evidence) {
  for (const Event& event : evidence.record->events)
    if (event.sub == evidence.sub) return {&*evidence.record, &event};
  return {&*evidence.record, nullptr};
}

std::vector<std::string> commands_for(const AlertsOptions& options, const StoredAlert& alert,
                                      const std::vector<EvidenceRow>& evidence) {
  std::vector<std::string> commands;
  const std::string store = shell_quoted(options.store);
  if (const std::string filter = entity_filter(alert.body); !filter.empty()) {
    const Json window = member(alert.body, "window");
    std::string command = "tidewaiter query --store " + store + " --where " + shell_quoted(filter);
    if (const std::string from = text_of(window, "start"); !from.empty()) command += " --from " + from;
    // The window's end is part of it.
    if (const auto to = parse_rfc3339(text_of(window, "end"))) command += " --to " + format_rfc3339(*to + 1'000'000);
    commands.push_back(std::move(command));
  }
  for (std::size_t i = 0; i < evidence.size() && i < 3; ++i)
    commands.push_back("tidewaiter prove --store " + store + " --log " + evidence[i].log + " --seq " +
                       std::to_string(evidence[i].seq) + " -o " + evidence[i].log + "-" + std::to_string(evidence[i].seq) +
                       ".tlog-proof");
  commands.push_back("tidewaiter prove --store " + store + " --log alerts --seq " + std::to_string(alert.seq) +
                     " -o alert-" + text_of(alert.body, "uid").substr(0, 12) + ".tlog-proof");
  return commands;
}

void print_evidence(const std::vector<EvidenceRow>& evidence, bool mask) {
  TextTable table({"", "time", "log", "seq", "principal", "action", "destination", "bytes_out", "data_classes", "operation"}, 32);
  table.align_right(7);
  for (std::size_t i = 0; i < evidence.size() && i < evidence_shown_max; ++i) {
    const EvidenceRow& item = evidence[i];
    const std::string seq = std::to_string(item.seq) + (item.sub ? "." + std::to_string(item.sub) : "");
    if (!item.record) {
      table.add({" ", "", item.log, seq, "cannot be read"});
      continue;
    }
    const store::Row row = row_of(item);
    std::vector<std::string> cells{" ", format_rfc3339(row.time_ns()), item.log, seq, "", "", "", "", "", ""};
    if (row.event) {
      store::append_column_text(cells[4], *row.event, info(Str::principal));
      store::append_column_text(cells[5], *row.event, info(Num::action));
      store::append_column_text(cells[6], *row.event, info(Str::dst_host));
      if (cells[6].empty()) store::append_column_text(cells[6], *row.event, info(Addr::dst_ip));
      store::append_column_text(cells[7], *row.event, info(Num::bytes_out));
      store::append_column_text(cells[8], *row.event, info(Num::data_classes));
      store::append_column_text(cells[9], *row.event, info(Str::operation));
    }
    if (mask)
      for (std::string& cell : cells) cell = store::mask_secrets(cell);
    table.add(std::move(cells));
  }
  std::fputs(table.text().c_str(), stdout);
  if (evidence.size() > evidence_shown_max)
    std::printf("  and %s more\n", grouped(evidence.size() - evidence_shown_max).c_str());
}

std::string verdict_text(const Json& verdict) {
  std::string text = text_of(verdict, "verdict");
  if (const std::string until = text_of(verdict, "until"); !until.empty()) text += " until " + until;
  return text + ", " + text_of(verdict, "owner") + " at " + text_of(verdict, "time") + ": " + text_of(verdict, "reason");
}

void print_alert(const AlertsOptions& options, const StoredAlert& alert, const std::vector<Json>& verdicts,
                 const std::vector<EvidenceRow>& evidence) {
  const auto say = [&](const std::string& text) {
    return printable_text(options.unmask ? text : store::mask_secrets(text));
  };
  std::printf("%s\n\n", say(text_of(alert.body, "title")).c_str());
  const Json entity = member(alert.body, "entity"), window = member(alert.body, "window");
  TextTable facts({"", "", ""}, 60);
  const auto fact = [&](const char* name, const std::string& value) {
    if (!value.empty()) facts.add({"", name, say(value)});
  };
  fact("severity", text_of(alert.body, "severity"));
  fact("found by", text_of(alert.body, "detector") + ", " + text_of(alert.body, "rule"));
  fact("about", text_of(entity, "type") + " " + text_of(entity, "id") +
                    (text_of(entity, "tenant").empty() ? "" : " of tenant " + text_of(entity, "tenant")));
  fact("window", text_of(window, "start") + " to " + text_of(window, "end"));
  fact("known at", text_of(alert.body, "time"));
  fact("uid", text_of(alert.body, "uid") + " (revision " + member(alert.body, "revision").dump() + ", alerts " +
                  std::to_string(alert.seq) + ")");
  for (const Json& verdict : verdicts) fact("verdict", verdict_text(verdict));
  std::fputs(facts.text(true).c_str(), stdout);

  const Json explanation = member(alert.body, "explanation");
  if (explanation.is_object() && !explanation.empty()) {
    std::puts("\nwhy");
    TextTable why({"", "", ""}, 60);
    for (const auto& [name, value] : explanation.items()) why.add({"", name, say(value_text(value))});
    std::fputs(why.text(true).c_str(), stdout);
  }
  if (!evidence.empty()) {
    std::printf("\nevidence\n");
    print_evidence(evidence, !options.unmask);
  }
  if (text_of(alert.body, "kind") == "alert")
    std::printf("\nsay what it was: true, false, or benign with --until 14d\n  tidewaiter verdict %s false --store %s --owner NAME --reason TEXT\n",
                text_of(alert.body, "uid").substr(0, 12).c_str(), shell_quoted(options.store).c_str());
  std::puts("\nlook further, and prove it");
  for (const std::string& command : commands_for(options, alert, evidence)) std::printf("  %s\n", command.c_str());
}

void print_alert_json(const AlertsOptions& options, const StoredAlert& alert, const std::vector<Json>& verdicts,
                      const std::vector<EvidenceRow>& evidence) {
  std::string out = "{\"log\":\"alerts\",\"seq\":" + std::to_string(alert.seq) + ",\"alert\":" + alert.body.dump() +
                    ",\"verdicts\":" + Json(verdicts).dump() + ",\"evidence\":[";
  bool first = true;
  for (const EvidenceRow& item : evidence) {
    if (!item.record) continue;
    if (!first) out += ',';
    first = false;
    store::append_row_json(out, row_of(item), false);
  }
  out += "],\"commands\":[";
  for (const std::string& command : commands_for(options, alert, evidence)) {
    if (out.back() != '[') out += ',';
    append_json_string(out, command);
  }
  out += "]}\n";
  const std::string text = options.unmask ? out : store::mask_secrets(out);
  std::fwrite(text.data(), 1, text.size(), stdout);
}

int show_one(const AlertsOptions& options, const store::Reader& reader) {
  const auto alert = find_alert(reader, options.id);
  if (!alert) return report_error(alert.error(), options.json);
  const auto verdicts = verdicts_on(reader, text_of(alert->body, "uid"));
  if (!verdicts) return report_error(verdicts.error(), options.json);
  const std::vector<EvidenceRow> evidence = evidence_of(reader, alert->body);
  if (options.json) print_alert_json(options, *alert, *verdicts, evidence);
  else print_alert(options, *alert, *verdicts, evidence);
  return exit_ok;
}

int list(const AlertsOptions& options, const store::Reader& reader) {
  store::QuerySpec spec;
  spec.logs = {"alerts"};
  // Joins of artifacts and receipts are no news for who looks after alerts: they are shown to who asks for them.
  spec.where = options.where.empty() ? "operation != attestation_join and operation != detection_receipt" : options.where;
  spec.now_ns = SystemClock().now_ns();
  spec.order = store::Order::newest_first;
  spec.limit = options.limit.value_or(list_default);
  const auto query = store::Query::compile(spec);
  if (!query) return report_error(query.error(), options.json);
  TextTable table({"time", "severity", "detector", "uid", "what"}, 40);
  const auto outcome = query->run(reader, [&](const store::Row& row) {
    if (options.json) {
      std::string line;
      store::append_row_json(line, row, !options.unmask);
      std::puts(line.c_str());
      return true;
    }
    const Json body = Json::parse(row.record->record.value, nullptr, false);
    const std::string title = text_of(body, "title");
    table.add({format_rfc3339(row.time_ns()), text_of(body, "severity"), text_of(body, "detector"),
               text_of(body, "uid").substr(0, 12), options.unmask ? title : store::mask_secrets(title)});
    return true;
  });
  if (!outcome) return report_error(outcome.error(), options.json);
  if (!options.json) std::fputs(table.rows() ? table.text().c_str() : "no alerts\n", stdout);
  std::fprintf(stderr, "%s alerts; read at commit %s%s\n", grouped(outcome->rows).c_str(), grouped(outcome->commit).c_str(),
               outcome->limited ? "; the newest are shown, raise --limit for more" : "");
  if (!options.json && table.rows())
    std::fprintf(stderr, "one in full: tidewaiter alerts UID --store %s\n", shell_quoted(options.store).c_str());
  return exit_ok;
}

}  // namespace

int command_alerts(const AlertsOptions& options) {
  const auto reader = open_store(options.store);
  if (!reader) return report_error(reader.error(), options.json);
  (*reader)->read_as_scored();  // evidence is what was judged
  return options.id.empty() ? list(options, **reader) : show_one(options, **reader);
}

}  // namespace tidewaiter::app
