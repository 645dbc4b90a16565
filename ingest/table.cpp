#include "ingest/table.hpp"

#include <algorithm>

#include "core/text.hpp"
#include "ingest/host_name.hpp"
#include "ingest/values.hpp"

namespace tidewaiter::ingest {
namespace {

constexpr std::string_view app_values[] = {"risk_tier", "owner", "template", "cost_centre", "tenant"};
constexpr std::string_view destination_values[] = {"dst_category"};
constexpr std::string_view resource_values[] = {"data_classes"};
constexpr std::string_view agent_values[] = {"role"};
constexpr TableSpec specs[table_kinds] = {
    {TableKind::apps, "apps", "app", info(Str::app).limit_bytes, app_values},
    {TableKind::destinations, "destinations", "destination", info(Str::dst_host).limit_bytes, destination_values},
    {TableKind::resources, "resources", "resource", info(Str::resource).limit_bytes, resource_values},
    {TableKind::agents, "agents", "agent", info(Str::principal).limit_bytes, agent_values},
};

std::string nearest(std::string_view word, std::span<const std::string_view> words) {
  const std::string_view near = nearest_word(word, words);
  if (!near.empty()) return "; did you mean '" + std::string(near) + "'?";
  std::string all;
  for (const std::string_view one : words) all.append(all.empty() ? "; expected one of " : ", ").append(one);
  return all;
}

bool is_host(std::string_view text) {
  return !text.empty() && text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789._-") == std::string_view::npos &&
         !text.starts_with('.') && !text.ends_with('.') && text.find("..") == std::string_view::npos;
}

/// The address with everything behind the prefix cleared.
Ip network_of(Ip address, int prefix_bits) {
  for (int bit = prefix_bits; bit < 128; ++bit) {
    auto& byte = address[static_cast<std::size_t>(bit / 8)];
    byte = static_cast<std::uint8_t>(byte & ~(0x80 >> bit % 8));
  }
  return address;
}

Result<DestinationKey> read_net(std::string_view text, const Ip& base, std::size_t slash) {
  const int all = text.find(':') == std::string_view::npos ? 32 : 128;
  int bits = all;
  if (slash != std::string_view::npos) {
    const auto number = read_unsigned(text.substr(slash + 1));
    if (!number || number->value > static_cast<std::uint64_t>(all))
      return fail(Code::invalid_argument, "'" + std::string(text) + "' has a prefix outside 0 to " + std::to_string(all));
    bits = static_cast<int>(number->value);
  }
  DestinationKey key{"", {base, bits + 128 - all}};
  const Ip network = network_of(base, key.net.prefix_bits);
  if (network != base)
    return fail(Code::invalid_argument, "'" + std::string(text) + "' has bits set behind its prefix; the block is " +
                                            format_ip(network) + "/" + std::to_string(bits));
  return key;
}

/// The text without zeros before a number: "010.0.0.0/08" is "10.0.0.0/8".
std::string without_leading_zeros(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto is_digit = [&](std::size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '9'; };
    const bool begins = out.empty() || out.back() == '.' || out.back() == '/' || out.back() == ':';
    if (!(begins && text[i] == '0' && is_digit(i + 1))) out += text[i];
  }
  return out;
}

/// Of what can be read as a destination, why it cannot be meant; "" = it can.
std::string destination_slip(std::string_view text) {
  const std::size_t slash = std::min(text.find('/'), text.size());
  const std::string_view address = text.substr(0, slash);
  const bool is_number = !address.empty() && address.find_first_not_of("0123456789.") == std::string_view::npos;
  const bool has_v4_part = is_number || (address.find(':') != std::string_view::npos && address.find('.') != std::string_view::npos);
  if (const std::string plain = has_v4_part ? without_leading_zeros(text) : std::string(text); plain != text)
    return "'" + std::string(text) + "' has a number with a zero before it, which is decimal to some programs and octal to others; write '" + plain + "'";
  std::string_view host = address;
  if (host.ends_with('.')) host.remove_suffix(1);
  const std::string_view last = host.substr(host.rfind('.') + 1);  // npos + 1 is 0
  if (!last.empty() && last.find_first_not_of("0123456789") == std::string_view::npos && address.find(':') == std::string_view::npos && !parse_ip(host))
    return "'" + std::string(text) + "' is no address, which has four numbers from 0 to 255, and no name of a host ends with a number";
  if (slash + 1 < text.size() && text[slash + 1] == '0' && slash + 2 < text.size())
    return "'" + std::string(text) + "' has a zero before the length of its prefix; take it away";
  return "";
}

}  // namespace

const TableSpec& spec_of(TableKind kind) { return specs[static_cast<std::size_t>(kind)]; }

std::string Table::to_json() const {
  const TableSpec& spec = spec_of(kind);
  std::string out = "{\"columns\":[";
  append_json_string(out, spec.key);
  for (const std::string_view value : spec.values) append_json_string(out += ',', value);
  out += "],\"rows\":[";
  for (const auto& row : rows) {
    out += &row == rows.data() ? "[" : ",[";
    for (const std::string& cell : row) {
      if (&cell != row.data()) out += ',';
      append_json_string(out, cell);
    }
    out += ']';
  }
  return out += "]}";
}

std::string DestinationKey::text() const {
  if (!host.empty()) return host;
  const std::string address = format_ip(net.base);
  return address + "/" + std::to_string(address.find(':') == std::string::npos ? net.prefix_bits - 96 : net.prefix_bits);
}

Result<DestinationKey> read_destination(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (const auto base = parse_ip(text.substr(0, slash)); base && text.find('%') == std::string_view::npos)
    return read_net(text, *base, slash);
  std::string host = normal_host(text);
  if (host.starts_with("*.") || host.starts_with('.')) {
    host.erase(0, host.find('.') + 1);
    return fail(Code::invalid_argument, "write '" + host + "': a host stands for itself and everything below it");
  }
  if (const auto address = parse_ip(host); address && is_host(host)) return read_net(host, *address, std::string_view::npos);  // 192.0.2.1.
  if (!is_host(host))
    return fail(Code::invalid_argument,
                "'" + std::string(text) + "' is neither a host such as corp.example nor an address block such as 10.0.0.0/8");
  return DestinationKey{std::move(host), {}};
}

Result<std::uint64_t> read_words(std::string_view text, const EnumTable& words) {
  constexpr std::string_view separators = " ;|";
  std::uint64_t bits = 0;
  while (true) {
    const std::size_t begin = text.find_first_not_of(separators);
    if (begin == std::string_view::npos) return bits;
    text.remove_prefix(begin);
    const std::string_view word = text.substr(0, text.find_first_of(separators));
    const auto number = words.find(word);
    if (!number) return fail(Code::invalid_argument, "'" + std::string(word) + "' is unknown" + nearest(word, words.words));
    bits |= std::uint64_t{1} << *number;
    text.remove_prefix(word.size());
  }
}

TableMaker::TableMaker(TableKind kind, std::vector<Fault>& faults) : spec_(spec_of(kind)), faults_(faults), table_{kind, {}} {}

void TableMaker::wrong(int line, int column, std::string_view key, std::string message) {
  if (!full()) faults_.push_back({line, column, std::string(key), std::move(message)});
}

int TableMaker::column_number(std::string_view name, int line, int column) {
  std::vector<std::string_view> names = {spec_.key};
  names.insert(names.end(), spec_.values.begin(), spec_.values.end());
  const auto found = std::ranges::find(names, name);
  if (found != names.end()) return static_cast<int>(found - names.begin());
  wrong(line, column, name, "the table of " + std::string(spec_.name) + " has no such column" + nearest(name, names));
  return -1;
}

void TableMaker::add(std::vector<TableCell> cells, int line) {
  if (table_.rows.size() >= table_rows_max) {
    if (table_.rows.size() == table_rows_max) wrong(line, 1, "", "more than " + std::to_string(table_rows_max) + " rows");
    table_.rows.emplace_back();  // said once
    return;
  }
  if (cells[0].line == 0) cells[0] = {"", line, 1};
  check_key(cells[0]);
  for (std::size_t i = 1; i < cells.size(); ++i) check_value(spec_.values[i - 1], cells[i]);
  std::vector<std::string> row;
  for (TableCell& cell : cells) row.push_back(std::move(cell.text));
  table_.rows.push_back(std::move(row));
}

void TableMaker::check_key(TableCell& cell) {
  const std::string_view text = cell.text;
  const auto bad = [&](std::string message) { wrong(cell.line, cell.column, spec_.key, std::move(message)); };
  if (text.empty()) return bad("is missing");
  if (text.size() > spec_.key_bytes_max)
    return bad("is longer than " + std::to_string(spec_.key_bytes_max) + " bytes, which no event's is");
  if (spec_.kind == TableKind::destinations) {
    const std::string host = is_ascii(text) ? std::string() : normal_host(text);  // whose digits may be plain ones only there
    if (std::string slip = destination_slip(is_ascii(text) ? text : host); !slip.empty()) return bad(std::move(slip));
    auto key = read_destination(text);
    if (!key) return bad(key.error().message);
    cell.text = key->text();
  }
  if (spec_.kind == TableKind::resources && text.find('*') < text.size() - 1)
    return bad("'*' stands at the end only, for all that begins like this");
  const auto [known, added] = keys_.try_emplace(cell.text, cell.line);
  if (!added) bad("'" + cell.text + "' is there already, in line " + std::to_string(known->second));
}

void TableMaker::check_value(std::string_view name, TableCell& cell) {
  if (cell.text.empty()) return;
  const auto column = find_column(name);
  const auto bad = [&](std::string message) { wrong(cell.line, cell.column, name, std::move(message)); };
  if (column->kind == ColumnKind::enumeration && !column->words->find(cell.text))
    return bad("'" + cell.text + "' is unknown" + nearest(cell.text, column->words->words));
  if (column->kind == ColumnKind::set) {
    if (auto bits = read_words(cell.text, *column->words); !bits) return bad(bits.error().message);
  }
  if (column->kind == ColumnKind::string && cell.text.size() > column->limit_bytes)
    bad("is longer than " + std::to_string(column->limit_bytes) + " bytes");
}

Table read_csv_table(TableKind kind, std::string_view text, std::vector<Fault>& faults) {
  TableMaker maker(kind, faults);
  const std::vector<CsvRow> rows = read_csv(text, faults);
  const TableSpec& spec = spec_of(kind);
  if (rows.empty()) {
    if (faults.empty()) maker.wrong(1, 1, "", "is empty; the first line names the columns, such as " + std::string(spec.key) + "," + std::string(spec.values[0]));
    return maker.take();
  }
  std::vector<int> numbers;
  for (const CsvField& field : rows[0]) {
    const int number = maker.column_number(field.text, field.line, field.column);
    if (number >= 0 && std::ranges::count(numbers, number) > 0) maker.wrong(field.line, field.column, field.text, "is there twice");
    numbers.push_back(number);
  }
  if (std::ranges::count(numbers, 0) == 0) {
    const bool is_one = rows[0].size() == 1 && rows[0][0].text.find_first_of(";\t|") != std::string::npos;
    maker.wrong(rows[0][0].line, 1, spec.key, "is missing: the table of " + std::string(spec.name) + " needs this column" +
                                                  (is_one ? "; is the separator another one than the comma?" : ""));
  }
  if (!faults.empty()) return maker.take();
  for (std::size_t i = 1; i < rows.size() && !maker.full(); ++i) {
    std::vector<TableCell> cells(spec.values.size() + 1);
    for (std::size_t f = 0; f < numbers.size(); ++f)
      cells[static_cast<std::size_t>(numbers[f])] = {rows[i][f].text, rows[i][f].line, rows[i][f].column};
    maker.add(std::move(cells), rows[i][0].line);
  }
  return maker.take();
}

}  // namespace tidewaiter::ingest
