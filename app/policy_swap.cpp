#include "app/policy_swap.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/assemble.hpp"

namespace tidewaiter::app {
namespace {

/// The policy in a control record; null when it is another one.
nlohmann::json policy_of(const Record& record) {
  if (record.kind != RecordKind::control || record.value.starts_with(R"({"type":"table")")) return nullptr;
  auto json = nlohmann::json::parse(record.value, nullptr, false);
  if (!json.is_object() || !json.contains("type") || json["type"] != nlohmann::json("policy") || !json.contains("content")) return nullptr;
  return std::move(json["content"]);
}

/// Control records come before all others of a commit.
bool has_policy(const Commit& commit) {
  for (const Record& record : commit.records) {
    if (record.kind != RecordKind::control) return false;
    if (!policy_of(record).is_null()) return true;
  }
  return false;
}

}  // namespace

PolicySwap::PolicySwap(std::string control, std::vector<ingest::DestinationGroup> groups)
    : control_(std::make_unique<const std::string>(std::move(control))),
      groups_(std::move(groups)),
      now_(std::make_unique<ingest::Destinations>(groups_)),
      then_(std::make_unique<ingest::Destinations>(groups_then_)) {}

Result<PolicySwap> PolicySwap::make(const std::string& policy_json) {
  TRY_ASSIGN(const detect::Policy policy, detect::Policy::parse(policy_json));
  std::string control = R"({"type":"policy","content":)" + policy_json + "}";
  control.append(Arena::padding_bytes, '\0');
  return PolicySwap(std::move(control), destination_groups(policy));
}

const Commit& PolicySwap::first() {
  Record record;
  record.kind = RecordKind::control;
  record.value = std::string_view(*control_).substr(0, control_->size() - Arena::padding_bytes);
  first_.records = {record};
  return first_;
}

CommitPtr PolicySwap::fit(const CommitPtr& commit) {
  std::vector<Record> kept;
  const bool policy = has_policy(*commit);
  if (policy) kept = take_policies_out(commit->records);
  const bool others = groups_ != groups_then_ && !commit->events.empty();
  if (!policy && !others) return commit;
  auto copy = std::make_shared<Commit>();
  copy->number = commit->number;
  copy->time_ns = commit->time_ns;
  copy->records = policy ? std::move(kept) : commit->records;
  copy->events = commit->events;
  copy->owners.push_back(commit);
  if (others) set_categories(copy->events);
  return copy;
}

std::vector<Record> PolicySwap::take_policies_out(const std::vector<Record>& records) {
  std::vector<Record> kept;
  for (const Record& record : records) {
    const nlohmann::json content = policy_of(record);
    if (content.is_null()) {
      kept.push_back(record);
      continue;
    }
    // One that does not parse is passed over by the engine, too.
    const auto then = detect::Policy::parse(content.dump());
    if (!then) continue;
    groups_then_ = destination_groups(*then);
    then_ = std::make_unique<ingest::Destinations>(groups_then_);
  }
  return kept;
}

void PolicySwap::set_categories(std::vector<Event>& events) const {
  for (Event& event : events) {
    if (!event.has(Str::dst_host) && !event.has(Addr::dst_ip)) continue;
    const std::string_view host = event.get(Str::dst_host);
    const Ip* address = event.get(Addr::dst_ip);
    if (event.get(Str::dst_category) != then_->category_of(host, address)) continue;
    event.set(Str::dst_category, now_->category_of(host, address));
  }
}

}  // namespace tidewaiter::app
