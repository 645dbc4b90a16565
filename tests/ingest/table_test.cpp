// User tables: what is read, what is said about mistakes, and what events get from them.
#include <gmock/gmock.h>

#include <random>

#include "core/text.hpp"
#include "ingest/table_set.hpp"

namespace tidewaiter::ingest {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Table read(TableKind kind, std::string_view text, std::vector<Fault>& faults) {
  return text.starts_with('[') ? read_json_table(kind, text, faults) : read_csv_table(kind, text, faults);
}

Table good(TableKind kind, std::string_view text) {
  std::vector<Fault> faults;
  Table table = read(kind, text, faults);
  for (const Fault& fault : faults) ADD_FAILURE() << fault.line << ":" << fault.column << " " << fault.key << ": " << fault.message;
  return table;
}

/// "line:column key: message" of each.
std::vector<std::string> faults_of(TableKind kind, std::string_view text) {
  std::vector<Fault> faults;
  read(kind, text, faults);
  std::vector<std::string> texts;
  for (const Fault& f : faults) texts.push_back(std::to_string(f.line) + ":" + std::to_string(f.column) + " " + f.key + ": " + f.message);
  return texts;
}

TEST(Csv, quotes_commas_ends_of_lines_and_a_byte_order_mark) {
  std::vector<Fault> faults;
  const auto rows = read_csv("\xEF\xBB\xBF" "a,b\r\n\r\n\"x, \"\"y\"\"\n z\",\n,\"\"", faults);
  EXPECT_TRUE(faults.empty());
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[1][0].text, "x, \"y\"\n z");
  EXPECT_EQ(rows[1][0].line, 3);
  EXPECT_EQ(rows[1][1].line, 4);
  EXPECT_EQ(rows[1][1].column, 5);
  EXPECT_EQ(rows[2][0].line, 5);
  EXPECT_EQ(rows[2][1].text, "");
}

TEST(Csv, mistakes_are_named_by_line_and_column) {
  const auto said = [](std::string_view text) {
    std::vector<Fault> faults;
    read_csv(text, faults);
    return faults.size() != 1 ? "no fault" : std::to_string(faults[0].line) + ":" + std::to_string(faults[0].column) + " " + faults[0].message;
  };
  EXPECT_THAT(said("a,b\nc\"d,e\n"), HasSubstr("2:2 a quotation mark inside"));
  EXPECT_THAT(said("a,b\n\"c\"d,e\n"), HasSubstr("2:4 expected a comma"));
  EXPECT_THAT(said("a,b\nc,\"d\n\n"), HasSubstr("2:3 the quoted field that begins here has no end"));
  EXPECT_THAT(said("a,b\nc,d,e\n"), HasSubstr("2:1 expected 2 fields as in the first line, found 3"));
  EXPECT_THAT(said("a,b\nc,\xC3\x28\n"), HasSubstr("2:3 not UTF-8"));
  EXPECT_THAT(said("a\rb\n"), HasSubstr("1:2 a carriage return"));
  EXPECT_THAT(said(std::string_view("a\n\0", 3)), HasSubstr("2:1 a NUL byte"));
}

TEST(Tables, columns_may_stand_in_any_order_and_be_left_out) {
  const Table table = good(TableKind::apps, "owner,app\nann,billing\n,crm\n");
  ASSERT_EQ(table.rows.size(), 2U);
  EXPECT_THAT(table.rows[0], ElementsAre("billing", "", "ann", "", "", ""));
  EXPECT_THAT(table.rows[1], ElementsAre("crm", "", "", "", "", ""));
}

TEST(Tables, json_says_the_same_as_csv) {
  const Table csv = good(TableKind::apps, "app,risk_tier,cost_centre\nbilling,high,4711\ncrm,,\n");
  const Table json = good(TableKind::apps, "[{\"cost_centre\": 4711, \"app\": \"billing\",\n\"risk_tier\": \"high\"}, {\"app\":\"crm\",\"risk_tier\":null}]");
  EXPECT_EQ(csv.rows, json.rows);
  EXPECT_EQ(csv.to_json(), R"({"columns":["app","risk_tier","owner","template","cost_centre","tenant"],"rows":[["billing","high","","","4711",""],["crm","","","","",""]]})");
  EXPECT_EQ(good(TableKind::resources, R"([{"resource":"r","data_classes":["pii","phi"]}])").rows,
            good(TableKind::resources, "resource,data_classes\nr,pii phi\n").rows);
}

TEST(Tables, mistakes_come_all_at_once_with_their_places) {
  EXPECT_THAT(faults_of(TableKind::apps, "app,risk_tier\nbilling,hihg\n,low\ncrm,high\nbilling,low\n"),
              ElementsAre("2:9 risk_tier: 'hihg' is unknown; did you mean 'high'?", "3:1 app: is missing",
                          "5:1 app: 'billing' is there already, in line 2"));
  EXPECT_THAT(faults_of(TableKind::apps, "app,ownr\nx,y\n"), ElementsAre(HasSubstr("1:5 ownr: the table of apps has no such column; did you mean 'owner'?")));
  EXPECT_THAT(faults_of(TableKind::agents, "role\nx\n"), ElementsAre(HasSubstr("1:1 agent: is missing")));
  EXPECT_THAT(faults_of(TableKind::agents, "agent,role,role\nx,y,z\n"), ElementsAre("1:12 role: is there twice"));
  EXPECT_THAT(faults_of(TableKind::agents, ""), ElementsAre(HasSubstr("is empty; the first line names the columns, such as agent,role")));
  EXPECT_THAT(faults_of(TableKind::resources, "resource,data_classes\nr,pii;pih\na*b,pii\n"),
              ElementsAre(HasSubstr("2:3 data_classes: 'pih' is unknown; did you mean"), HasSubstr("3:1 resource: '*' stands at the end only")));
  EXPECT_THAT(faults_of(TableKind::destinations, "destination,dst_category\nhttps://x.example/,a\n*.corp.example,a\n10.0.0.1/8,a\n10.0.0.0/33,a\nCORP.example.,a\ncorp.example,b\n"),
              ElementsAre(HasSubstr("2:1 destination: 'https://x.example/' is neither a host"), HasSubstr("3:1 destination: write 'corp.example'"),
                          HasSubstr("4:1 destination: '10.0.0.1/8' has bits set behind its prefix; the block is 10.0.0.0/8"),
                          HasSubstr("5:1 destination: '10.0.0.0/33' has a prefix outside 0 to 32"), HasSubstr("7:1 destination: 'corp.example' is there already, in line 6")));
}

TEST(Tables, ways_of_writing_a_destination_are_one) {
  const auto text = [](std::string_view key) {
    const auto destination = read_destination(key);
    return destination ? destination->text() : destination.error().message;
  };
  EXPECT_EQ(text("Corp.Example."), "corp.example");
  EXPECT_EQ(text("192.0.2.1"), "192.0.2.1/32");
  EXPECT_EQ(text("192.0.2.1."), "192.0.2.1/32");
  EXPECT_EQ(text("::ffff:10.0.0.0/104"), "10.0.0.0/8");
  EXPECT_EQ(text("0.0.0.0/0"), "0.0.0.0/0");
  EXPECT_EQ(text("FD00::/8"), "fd00::/8");
  EXPECT_EQ(text("::/0"), "::/0");
  EXPECT_EQ(text("bücher.example"), "xn--bcher-kva.example");
  EXPECT_EQ(text("１９２.0.2.1"), "192.0.2.1/32");
  EXPECT_THAT(text("x.."), HasSubstr("is neither a host"));
  EXPECT_THAT(text("fe80::1%eth0"), HasSubstr("is neither a host"));
}

TEST(Tables, what_only_some_programs_read_as_an_address_is_a_mistake_with_its_remedy) {
  const auto said = [](const std::string& key) {
    const auto csv = faults_of(TableKind::destinations, "destination,dst_category\n" + key + ",a\n");
    const auto json = faults_of(TableKind::destinations, "[\n{\"destination\":\"" + key + "\",\"dst_category\":\"a\"}]");
    EXPECT_EQ(csv.size(), json.size()) << key;
    return csv.empty() ? "" : csv.front();
  };
  EXPECT_THAT(said("010.0.0.0/8"), HasSubstr("2:1 destination: '010.0.0.0/8' has a number with a zero before it, which is decimal to some programs and octal to others; write '10.0.0.0/8'"));
  EXPECT_THAT(said("10.01.0.0/16"), HasSubstr("write '10.1.0.0/16'"));
  EXPECT_THAT(said("::ffff:10.0.0.01"), HasSubstr("write '::ffff:10.0.0.1'"));
  EXPECT_THAT(said("10.0.0.0/08"), HasSubstr("write '10.0.0.0/8'"));
  EXPECT_THAT(said("fd00::/08"), HasSubstr("has a zero before the length of its prefix"));
  EXPECT_THAT(said("０10.0.0.1"), HasSubstr("write '10.0.0.1'"));
  EXPECT_THAT(said("corp.example.７"), HasSubstr("no name of a host ends with a number"));
  for (const char* none : {"1.2.3.4.5", "10.0.0", "256.1.1.1", "1.2.3.4.5/24", "10", "corp.example.7", "10.0.0/8"})
    EXPECT_THAT(said(none), HasSubstr("2:1 destination: '" + std::string(none) + "' is no address, which has four numbers")) << none;
  for (const char* fine : {"10.0.0.0/8", "0.0.0.0/0", "10.20.30.0/24", "192.0.2.1", "fd00::/8", "::/0", "7.corp.example", "host7", "a.b7", "01.example"})
    EXPECT_EQ(said(fine), "") << fine;
}

TEST(Tables, mistakes_in_json_have_their_line_too) {
  EXPECT_THAT(faults_of(TableKind::apps, "[\n {\"app\": \"a\",\n  \"risk_tier\": \"hihg\"},\n {\"risk_tier\": \"low\"}]"),
              ElementsAre("3:16 risk_tier: 'hihg' is unknown; did you mean 'high'?", HasSubstr("4:")));
  EXPECT_THAT(faults_of(TableKind::apps, "[\n{\"app\":\"a\"}\n{}]"), ElementsAre(HasSubstr("3:1 : not JSON: ")));
  EXPECT_THAT(faults_of(TableKind::apps, "[\n{\"app\":[[]]}]"), ElementsAre(HasSubstr("2:9 : expected a text")));
  EXPECT_THAT(faults_of(TableKind::apps, "[1]"), ElementsAre(HasSubstr("expected an object")));
  EXPECT_THAT(faults_of(TableKind::apps, "[{\"app\":\"a\",\n\"app\":\"b\"}]"), ElementsAre(HasSubstr("2:1 app: is there twice")));
  std::vector<Fault> faults;
  read_json_table(TableKind::apps, "{}", faults);
  ASSERT_EQ(faults.size(), 1U);
  EXPECT_EQ(faults[0].message, "expected an array of objects");
}

TEST(Tables, too_many_rows_are_said_once) {
  std::string text = "agent,role\n";
  for (std::size_t i = 0; i < table_rows_max + 3; ++i) text += "a" + std::to_string(i) + ",r\n";
  EXPECT_THAT(faults_of(TableKind::agents, text), ElementsAre(HasSubstr("100002:1 : more than 100000 rows")));
}

/// One event through tables.
class Enriched {
 public:
  explicit Enriched(const std::vector<Table>& tables) : set_(tables), batch_(64) {}
  const Event& operator()(const Event& event) {
    batch_.events.assign(1, event);
    counts = set_.apply(batch_);
    return batch_.events[0];
  }
  TableSet::Counts counts{};

 private:
  TableSet set_;
  Batch batch_;
};

Event with(Str column, std::string_view value) {
  Event event;
  event.set(column, value);
  return event;
}

TEST(TableSet, an_app_gets_its_row_and_the_table_wins_over_the_event) {
  Enriched enriched({good(TableKind::apps, "app,risk_tier,owner,template,cost_centre,tenant\nbilling,high,ann,invoice-bot,4711,acme\ncrm,low,,,,\n")});
  Event event = with(Str::app, "billing");
  event.set(Num::risk_tier, static_cast<std::uint64_t>(RiskTier::low));
  event.set(Str::owner, "somebody");
  const Event& made = enriched(event);
  EXPECT_EQ(made.get(Num::risk_tier), static_cast<std::uint64_t>(RiskTier::high));
  EXPECT_EQ(made.get(Str::owner), "ann");
  EXPECT_EQ(made.get(Str::app_template), "invoice-bot");
  EXPECT_EQ(made.get(Str::cost_centre), "4711");
  EXPECT_EQ(made.get(Str::tenant), "acme");
  EXPECT_EQ(enriched.counts[0], 1U);
  event.set(Str::app, "crm");
  EXPECT_EQ(enriched(event).get(Str::owner), "somebody") << "an empty cell says nothing";
  event.set(Str::app, "Billing");
  EXPECT_EQ(enriched(event).get(Num::risk_tier), static_cast<std::uint64_t>(RiskTier::low)) << "another app";
  EXPECT_EQ(enriched.counts[0], 0U);
}

TEST(TableSet, the_longest_suffix_wins_and_a_host_is_asked_before_an_address) {
  Enriched enriched({good(TableKind::destinations, "destination,dst_category\ncorp.example,internal\napi.corp.example,partner\n10.0.0.0/8,internal\n10.1.0.0/16,partner\n10.1.2.3,lab\nfd00::/8,internal\n")});
  const auto category = [&](std::string_view host, std::string_view ip = "") {
    Event event;
    if (!host.empty()) event.set(Str::dst_host, host);
    if (!ip.empty()) event.set(Addr::dst_ip, *parse_ip(ip));
    return std::string(enriched(event).get(Str::dst_category));
  };
  EXPECT_EQ(category("corp.example"), "internal");
  EXPECT_EQ(category("x.y.corp.example"), "internal");
  EXPECT_EQ(category("x.api.corp.example"), "partner");
  EXPECT_EQ(category("notcorp.example"), "");
  EXPECT_EQ(category("example"), "");
  EXPECT_EQ(category("", "10.2.0.1"), "internal");
  EXPECT_EQ(category("", "10.1.9.9"), "partner");
  EXPECT_EQ(category("", "10.1.2.3"), "lab");
  EXPECT_EQ(category("", "11.0.0.0"), "");
  EXPECT_EQ(category("", "fdff::1"), "internal");
  EXPECT_EQ(category("corp.example", "10.1.2.3"), "internal");
  EXPECT_EQ(category("other.example", "10.1.2.3"), "lab");
}

TEST(TableSet, a_resource_gets_the_classes_of_its_longest_beginning_beside_its_own) {
  Enriched enriched({good(TableKind::resources, "resource,data_classes\ns3://crm/*,pii\ns3://crm/eu/*,pii phi\ns3://crm/eu/readme,public\n")});
  const auto bit = [](std::string_view word) { return std::uint64_t{1} << *enums::data_class.find(word); };
  EXPECT_EQ(enriched(with(Str::resource, "s3://crm/x")).get(Num::data_classes), bit("pii"));
  EXPECT_EQ(enriched(with(Str::resource, "s3://crm/eu/x")).get(Num::data_classes), bit("pii") | bit("phi"));
  EXPECT_EQ(enriched(with(Str::resource, "s3://crm/eu/readme")).get(Num::data_classes), bit("public"));
  EXPECT_FALSE(enriched(with(Str::resource, "s3://cr")).has(Num::data_classes));
  Event event = with(Str::resource, "s3://crm/");
  event.set(Num::data_classes, bit("credential"));
  EXPECT_EQ(enriched(event).get(Num::data_classes), bit("pii") | bit("credential"));
}

TEST(TableSet, an_agent_is_known_by_principal_before_what_it_says_of_itself) {
  Enriched enriched({good(TableKind::agents, "agent,role\nproved,support\nclaimed,admin\n")});
  Event event = with(Str::principal, "proved");
  event.set(Num::principal_type, *enums::principal_type.find("agent"));
  event.set(Str::agent_name, "claimed");
  EXPECT_EQ(enriched(event).get(Str::role), "support");
  event.set(Num::principal_type, *enums::principal_type.find("user"));
  EXPECT_EQ(enriched(event).get(Str::role), "admin");
  EXPECT_EQ(enriched(with(Str::agent_uid, "proved")).get(Str::role), "support");
  EXPECT_FALSE(enriched(with(Str::principal, "proved")).has(Str::role)) << "no agent";
}

TEST(Lookups, agree_with_a_search_through_all_keys) {
  std::mt19937 random(5);
  auto label = [&] { return std::string(1 + random() % 2, static_cast<char>('a' + random() % 3)); };
  auto host = [&] {
    std::string text = label();
    for (auto more = random() % 4; more > 0; --more) text += "." + label();
    return text;
  };
  auto address = [&] {
    Ip ip{};
    for (std::size_t i = 12; i < 16; ++i) ip[i] = static_cast<std::uint8_t>(random() % 4 << random() % 7);
    return ip;
  };
  SuffixRows suffixes;
  BeginningRows beginnings;
  NetRows nets;
  std::vector<std::string> keys;
  std::vector<std::pair<Ip, int>> blocks;
  for (std::uint32_t i = 0; i < 60; ++i) {
    const std::string key = host();
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      suffixes.add(key, static_cast<std::uint32_t>(keys.size()));
      beginnings.add(key, static_cast<std::uint32_t>(keys.size()));
      keys.push_back(key);
    }
    Ip base = address();
    const int bits = 96 + static_cast<int>(random() % 33);
    for (int b = bits; b < 128; ++b) base[static_cast<std::size_t>(b / 8)] &= static_cast<std::uint8_t>(~(0x80 >> b % 8));
    if (std::find(blocks.begin(), blocks.end(), std::pair(base, bits)) != blocks.end()) continue;
    nets.add(base, bits, static_cast<std::uint32_t>(blocks.size()));
    blocks.emplace_back(base, bits);
  }
  const auto longest = [&](auto fits) {
    std::uint32_t best = no_row;
    for (std::uint32_t i = 0; i < keys.size(); ++i)
      if (fits(keys[i]) && (best == no_row || keys[i].size() > keys[best].size())) best = i;
    return best;
  };
  for (int round = 0; round < 20'000; ++round) {
    const std::string text = host();
    ASSERT_EQ(suffixes.find(text), longest([&](const std::string& key) { return text == key || text.ends_with("." + key); })) << text;
    ASSERT_EQ(beginnings.find(text), longest([&](const std::string& key) { return text.starts_with(key); })) << text;
    const Ip ip = address();
    std::uint32_t best = no_row;
    for (std::uint32_t i = 0; i < blocks.size(); ++i) {
      bool inside = true;
      for (int b = 0; b < blocks[i].second; ++b)
        inside = inside && ((ip[static_cast<std::size_t>(b / 8)] ^ blocks[i].first[static_cast<std::size_t>(b / 8)]) >> (7 - b % 8) & 1) == 0;
      if (inside && (best == no_row || blocks[i].second > blocks[best].second)) best = i;
    }
    ASSERT_EQ(nets.find(ip), best) << format_ip(ip);
  }
}

}  // namespace
}  // namespace tidewaiter::ingest
