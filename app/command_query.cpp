// `tidewaiter query`: rows to stdout as they are found; what was read, and what of it no head covers yet, to stderr.
#include <cstdio>

#include <nlohmann/json.hpp>

#include "app/command_store.hpp"
#include "app/text_table.hpp"
#include "core/clock.hpp"
#include "core/text.hpp"
#include "store/mask.hpp"
#include "store/query.hpp"

namespace tidewaiter::app {

namespace {

constexpr std::uint64_t table_rows_default = 100;
constexpr std::uint64_t table_rows_max = 100'000;  // a table is laid out in memory
constexpr std::uint64_t newest_rows_default = 100;

/// What a row says in one phrase, where columns do not: an alert's title, a reject's reason, a control record's type.
std::string phrase(const store::Row& row) {
  const Record& record = row.record->record;
  if (record.reason != RejectReason::none) return std::string("reject: ") + reject_reason_name(record.reason);
  if (!is_own(record.kind) || record.value.empty())
    return record.kind == RecordKind::event ? "" : record_kind_name(record.kind);
  const auto body = nlohmann::json::parse(record.value, nullptr, false);
  for (const char* key : {"title", "type", "status"})
    if (body.is_object() && body.contains(key) && body[key].is_string()) return body[key].get<std::string>();
  return record_kind_name(record.kind);
}

/// A printed column: a field of the row, or one of those made for people.
struct Cell {
  std::string head;
  std::optional<store::RowField> field;
  std::string text(const store::Row& row) const {
    std::string out;
    if (field) {
      field->append_text(out, row);
    } else if (head == "seq") {
      out = std::to_string(row.record->record.seq);
      if (row.sub()) out += "." + std::to_string(row.sub());
    } else if (head == "destination" && row.event) {
      store::append_column_text(out, *row.event, info(Str::dst_host));
      if (out.empty()) store::append_column_text(out, *row.event, info(Addr::dst_ip));
    } else if (head == "time") {
      out = format_rfc3339(row.time_ns());
    } else if (head == "about") {
      out = phrase(row);
    }
    return out;
  }
};

Result<std::vector<Cell>> cells_of(const std::vector<std::string>& names) {
  std::vector<Cell> cells;
  std::vector<std::string> wanted = names;
  if (wanted.empty())
    wanted = {"time", "log", "seq", "principal", "action", "app", "destination", "bytes_out", "risk_tier", "data_classes", "outcome", "about"};
  for (const std::string& name : wanted) {
    Cell cell{name, std::nullopt};
    if (name != "seq" && name != "destination" && name != "time" && name != "about") {
      TRY_ASSIGN(cell.field, store::RowField::parse(name));
    }
    cells.push_back(std::move(cell));
  }
  return cells;
}

std::string csv_cell(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

bool put(std::string_view text) { return std::fwrite(text.data(), 1, text.size(), stdout) == text.size(); }

/// What was read and how far signed heads cover it.
/// What could not be read, and the exit status that goes with it.
int say_damage(const store::QueryOutcome& outcome) {
  for (const store::Damage& damage : outcome.damaged)
    std::fprintf(stderr, "NOT READ: log %s, records %s to %s: %s\n", damage.log.c_str(), grouped(damage.from).c_str(),
                 grouped(damage.to - 1).c_str(), damage.reason.c_str());
  return outcome.damaged.empty() ? exit_ok : exit_environment;
}

void say_view(const store::QueryOutcome& outcome) {
  std::string text = grouped(outcome.rows) + (outcome.rows == 1 ? " row" : " rows") + " of " +
                     grouped(outcome.records_scanned) + " records scanned; read at commit " + grouped(outcome.commit);
  std::uint64_t uncovered = 0;
  std::int64_t newest = 0;
  const store::LogView* shown = nullptr;
  for (const store::LogView& log : outcome.logs) {
    uncovered += log.size - std::min(log.size, log.covered);
    if (log.head_time_ns > newest || log.name == "control") shown = &log;
    newest = std::max(newest, log.head_time_ns);
  }
  if (shown && shown->head_time_ns)
    text += ", checkpoint " + shown->name + " " + grouped(shown->covered) + " of " + format_rfc3339(shown->head_time_ns);
  else
    text += ", no checkpoint yet";
  if (outcome.rows_uncovered)
    text += "; " + grouped(outcome.rows_uncovered) + " rows are newer than their log's newest head: not covered yet";
  else if (uncovered)
    text += "; every row is under a signed head";
  std::fprintf(stderr, "%s\n", text.c_str());
}

class Printer {
 public:
  virtual ~Printer() = default;
  virtual bool row(const store::Row& row) = 0;
  virtual void end() {}
};

class NdjsonPrinter final : public Printer {
 public:
  explicit NdjsonPrinter(bool mask) : mask_(mask) {}
  bool row(const store::Row& row) override {
    line_.clear();
    store::append_row_json(line_, row, mask_);
    line_ += '\n';
    return put(line_);
  }

 private:
  bool mask_;
  std::string line_;
};

class RawPrinter final : public Printer {
 public:
  /// One line per record, however many of its events match.
  bool row(const store::Row& row) override {
    const Record& record = row.record->record;
    if (last_ == std::pair(record.log, record.seq)) return true;
    last_ = {record.log, record.seq};
    return put(record.value) && put("\n");
  }

 private:
  std::pair<std::uint16_t, std::uint64_t> last_{0xffff, ~std::uint64_t{0}};
};

class CsvPrinter final : public Printer {
 public:
  CsvPrinter(std::vector<Cell> cells, bool mask) : cells_(std::move(cells)), mask_(mask) {
    std::string line;
    for (const Cell& cell : cells_) line += (line.empty() ? "" : ",") + cell.head;
    put(line + "\n");
  }
  bool row(const store::Row& row) override {
    std::string line;
    for (const Cell& cell : cells_) {
      if (&cell != &cells_.front()) line += ',';
      line += csv_cell(mask_ ? store::mask_secrets(cell.text(row)) : cell.text(row));
    }
    return put(line + "\n");
  }

 private:
  std::vector<Cell> cells_;
  bool mask_;
};

class TablePrinter final : public Printer {
 public:
  TablePrinter(std::vector<Cell> cells, bool mask, bool all_columns)
      : cells_(std::move(cells)), mask_(mask), all_columns_(all_columns), table_(heads()) {
    for (std::size_t i = 0; i < cells_.size(); ++i)
      if (cells_[i].head.rfind("bytes_", 0) == 0) table_.align_right(i);
  }
  bool row(const store::Row& row) override {
    std::vector<std::string> line;
    for (const Cell& cell : cells_) line.push_back(mask_ ? store::mask_secrets(cell.text(row)) : cell.text(row));
    table_.add(std::move(line));
    return true;
  }
  void end() override {
    if (!all_columns_) table_.drop_empty_columns();
    if (table_.rows()) put(table_.text());
  }

 private:
  std::vector<std::string> heads() const {
    std::vector<std::string> heads;
    for (const Cell& cell : cells_) heads.push_back(cell.head);
    return heads;
  }
  std::vector<Cell> cells_;
  bool mask_, all_columns_;
  TextTable table_;
};

Result<std::unique_ptr<Printer>> printer_for(const QueryOptions& options) {
  const bool mask = !options.unmask;
  if (options.format == "ndjson") return std::unique_ptr<Printer>(std::make_unique<NdjsonPrinter>(mask));
  if (options.format == "raw") {
    if (mask)
      return fail(Code::invalid_argument, "raw bytes cannot be masked: add --unmask to see them, or use --format ndjson");
    return std::unique_ptr<Printer>(std::make_unique<RawPrinter>());
  }
  TRY_ASSIGN(std::vector<Cell> cells, cells_of(options.columns));
  if (options.format == "csv") return std::unique_ptr<Printer>(std::make_unique<CsvPrinter>(std::move(cells), mask));
  if (options.format == "table") return std::unique_ptr<Printer>(std::make_unique<TablePrinter>(std::move(cells), mask, !options.columns.empty()));
  constexpr std::string_view known[] = {"table", "ndjson", "csv", "raw"};
  const std::string_view near = nearest_word(options.format, known);
  return fail(Code::invalid_argument, "--format is one of table, ndjson, csv, raw, not '" + options.format + "'" +
                                          (near.empty() ? "" : "; did you mean '" + std::string(near) + "'?"));
}

Result<store::QuerySpec> spec_of(const QueryOptions& options) {
  store::QuerySpec spec;
  spec.now_ns = SystemClock().now_ns();
  spec.logs = options.logs;
  spec.kinds = options.kinds;
  spec.where = options.where;
  spec.texts = options.texts;
  spec.mask = !options.unmask;
  TRY_ASSIGN(spec.from_ns, parse_time(options.from, "--from", spec.now_ns));
  TRY_ASSIGN(spec.to_ns, parse_time(options.to, "--to", spec.now_ns));
  spec.by = options.by;
  spec.bodies = options.format == "raw";
  spec.skip_damaged = true;  // what can be read is given, what cannot is named
  spec.order = options.newest ? store::Order::newest_first : store::Order::stored;
  const bool grouping = options.count || !options.by.empty();
  if (options.limit)
    spec.limit = *options.limit;
  else if (!grouping)
    spec.limit = options.format == "table" ? table_rows_default : options.newest ? newest_rows_default : 0;
  if (grouping) spec.order = store::Order::stored;
  if (!grouping && options.format == "table" && (spec.limit == 0 || spec.limit > table_rows_max))
    return fail(Code::invalid_argument, "a table has at most " + std::to_string(table_rows_max) + " rows: use --format ndjson or csv");
  return spec;
}

void print_groups(const std::vector<store::Group>& groups, const QueryOptions& options) {
  std::vector<std::string> heads = options.by;
  for (const char* head : {"count", "bytes_out", "first", "last"}) heads.emplace_back(head);
  TextTable table(heads, 60);
  table.align_right(options.by.size());
  table.align_right(options.by.size() + 1);
  if (options.format == "csv")
    for (std::size_t i = 0; i < heads.size(); ++i) put((i ? "," : "") + heads[i] + (i + 1 == heads.size() ? "\n" : ""));
  for (const store::Group& group : groups) {
    std::vector<std::string> cells;
    for (const std::string& key : group.key) cells.push_back(options.unmask ? key : store::mask_secrets(key));
    cells.push_back(std::to_string(group.count));
    cells.push_back(std::to_string(group.bytes_out));
    cells.push_back(group.count ? format_rfc3339(group.first_ns) : "");
    cells.push_back(group.count ? format_rfc3339(group.last_ns) : "");
    if (options.format == "table") {
      table.add(std::move(cells));
      continue;
    }
    std::string line = options.format == "csv" ? "" : "{";
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (i) line += ',';
      if (options.format == "csv") {
        line += csv_cell(cells[i]);
        continue;
      }
      append_json_string(line, heads[i]);
      line += ':';
      const bool number = i == options.by.size() || i == options.by.size() + 1;
      if (number) line += cells[i];
      else append_json_string(line, cells[i]);
    }
    put(line + (options.format == "csv" ? "\n" : "}\n"));
  }
  if (options.format == "table") put(table.text());
}

int run_groups(const store::Query& query, const store::Reader& reader, const QueryOptions& options) {
  std::vector<store::Group> groups;
  const auto outcome = query.groups(reader, groups);
  if (!outcome) return report_error(outcome.error(), false);
  if (options.by.empty() && options.format == "table")
    put(std::to_string(outcome->rows) + "\n");
  else if (options.by.empty())
    put(options.format == "csv" ? "count\n" + std::to_string(outcome->rows) + "\n" : "{\"count\":" + std::to_string(outcome->rows) + "}\n");
  else
    print_groups(groups, options);
  if (outcome->rows_in_other_groups)
    std::fprintf(stderr, "%s more rows are of groups that did not fit: narrow the query; the counts shown are exact\n",
                 grouped(outcome->rows_in_other_groups).c_str());
  if (outcome->limited) std::fprintf(stderr, "there are more groups: raise --limit\n");
  say_view(*outcome);
  return say_damage(*outcome);
}

}  // namespace

int command_query(const QueryOptions& options) {
  const auto spec = spec_of(options);
  if (!spec) return report_error(spec.error(), false);
  const auto query = store::Query::compile(*spec);
  if (!query) return report_error(query.error(), false);
  const bool grouping = options.count || !options.by.empty();
  if (grouping && options.format == "raw")
    return report_error(fail(Code::invalid_argument, "counts have no raw form: use --format table, csv or ndjson"), false);
  auto printer = printer_for(options);
  if (!printer) return report_error(printer.error(), false);
  const auto reader = open_store(options.store);
  if (!reader) return report_error(reader.error(), false);
  if (options.as_scored) (*reader)->read_as_scored();
  if (grouping) return run_groups(*query, **reader, options);

  const auto outcome = query->run(**reader, [&](const store::Row& row) { return (*printer)->row(row); });
  if (!outcome) return report_error(outcome.error(), false);
  (*printer)->end();
  std::fflush(stdout);
  say_view(*outcome);
  if (outcome->limited)
    std::fprintf(stderr, "there are more rows: raise --limit (now %s)%s\n", grouped(query->spec().limit).c_str(),
                 options.newest ? "" : ", or ask for the --newest");
  return say_damage(*outcome);
}

}  // namespace tidewaiter::app
