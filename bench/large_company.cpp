#include "bench/large_company.hpp"

#include "core/enums.hpp"
#include "core/event.hpp"

namespace tidewaiter::bench {
namespace {

std::uint64_t mix(std::uint64_t x) {  // the finalizer of MurmurHash3
  x = (x ^ x >> 33) * 0xff51afd7ed558ccdu;
  x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53u;
  return x ^ x >> 33;
}

std::uint64_t word(const EnumTable& table, std::string_view text) { return table.find(text).value(); }

}  // namespace

LargeCompany::LargeCompany() : origin_(intern_origin("bench", TopicId{2}, "events")) {
  const auto name = [this](std::vector<std::string_view>& list, std::size_t count, const std::string& before, const std::string& after) {
    for (std::size_t i = 0; i < count; ++i) list.push_back(keep(before + std::to_string(i) + after));
  };
  name(principals_, principals, "invoice-helper-", "");
  name(roles_, roles, "role-", "");
  name(apps_, apps, "billing-desk-", "");
  name(internal_, internal_hosts, "api.", ".acme.corp.example");
  name(external_, external_hosts, "files.", ".saas.example");
  name(resources_, resources_of_role * roles, "ledger/2026/", "/lines");
}

LargeCompany::Destination LargeCompany::destination_of(std::size_t principal, std::size_t number) const {
  const std::size_t role = principal % roles;
  const std::uint64_t hash = mix(principal * 64 + number);
  if (number >= internal_each) return {mix(role * external_of_role + hash % external_of_role) % external_hosts, true};
  return {mix(role * internal_of_role + hash % internal_of_role) % internal_hosts, false};
}

void LargeCompany::fill(Commit& commit, std::size_t events, std::int64_t step_ns) {
  constexpr std::string_view actions[] = {"send", "read", "update", "list", "create", "execute"};
  commit.number = ++commits_;
  commit.records.clear();
  commit.events.clear();
  for (std::size_t i = 0; i < events; ++i) {
    const std::size_t who = random_() % principals, role = who % roles;
    const auto [host, external] = destination_of(who, random_() % (internal_each + external_each));
    const std::size_t resource = random_() % resources_of_role, kind = resource % std::size(actions);
    Event& event = commit.events.emplace_back();
    event.set(Num::time, static_cast<std::uint64_t>(time_ns_ += step_ns));
    event.set(Str::principal, principals_[who]);
    event.set(Str::app, apps_[(role * 4 + mix(who) % 4) % apps]);
    event.set(Str::role, roles_[role]);
    event.set(Str::tenant, "acme-eu");
    event.set(Str::dst_host, (external ? external_ : internal_)[host]);
    event.set(Str::dst_category, external ? "public" : "internal");
    event.set(Str::resource, resources_[role * resources_of_role + resource]);
    event.set(Str::capability_scopes, "read send list update create execute");
    event.set(Str::tool_name, "http.post");
    event.set(Num::principal_type, word(enums::principal_type, "agent"));
    event.set(Num::action, word(enums::action, actions[kind]));
    event.set(Num::resource_type, 1 + kind);
    event.set(Num::risk_tier, word(enums::risk_tier, role % 3 == 0 ? "high" : "medium"));
    event.set(Num::direction, word(enums::direction, external ? "egress" : "internal"));
    // Seven in ten destinations are for data of one class; what may not leave stays inside.
    if (mix(host) % 10 < 7)
      event.set(Num::data_classes, 1u << (external ? word(enums::data_class, "internal") : 1 + mix(host) / 10 % 6));
    event.set(Num::bytes_out, 1000 + random_() % 50'000);
    event.record = static_cast<std::uint32_t>(i);
    event.sub = 0;
    Record& record = commit.records.emplace_back();
    record.origin = origin_;
    record.partition = static_cast<std::uint32_t>(who % partitions);
    record.offset = offsets_[who % partitions]++;
    record.seq = events_++;
    record.first_event = static_cast<std::uint32_t>(i);
    record.event_count = 1;
  }
}

}  // namespace tidewaiter::bench
