// Rule: one compiled rule of a policy, with the questions that can be answered from one event alone. Immutable.
// What needs memory of other events (caps, approvals) is in caps.hpp and approvals.hpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/event.hpp"
#include "core/sampling.hpp"
#include "detect/hash.hpp"
#include "detect/policy.hpp"
#include "filter/filter.hpp"

namespace tidewaiter::detect {

enum class RuleType : std::uint8_t { forbidden_flow, unapproved_destination, capability, approval, egress_cap, where, attestation };
inline constexpr std::string_view rule_type_words[] = {"forbidden_flow", "unapproved_destination", "capability",
                                                       "approval",       "egress_cap",             "where",
                                                       "attestation"};

/// By which column an approval is found for an action.
enum class ApprovalMatch : std::uint8_t { approval_id, correlation, session, resource };
inline constexpr std::string_view approval_match_words[] = {"approval.id", "correlation", "session", "resource"};

/// Whose approval an artifact needs.
enum class Approved : std::uint8_t { no, any, human };
inline constexpr std::string_view approved_words[] = {"no", "any", "human"};

struct Rule {
  std::string id;
  Key key = 0;  // of id
  RuleType type = RuleType::where;
  Severity severity = Severity::high;
  std::string description;
  bool enabled = true;

  // Which events it is about; an empty list or mask means any.
  std::optional<filter::Filter> where;
  std::uint64_t risk_tiers = 0, principal_types = 0;  // a bit per word
  std::vector<std::string> apps;                      // names, `*` and `?` allowed

  std::uint64_t data_classes = 0;            // forbidden_flow
  std::vector<std::string> categories;       // forbidden_flow: these are forbidden; unapproved_destination: allowed
  std::vector<std::string> allow_hosts;      // unapproved_destination: suffixes
  std::vector<DestinationGroup::Net> allow_nets;

  bool require_token = true, check_scopes = true;  // capability

  std::int64_t grace_ns = 0, grace_named_ns = 0, valid_for_ns = 0;  // approval
  std::vector<ApprovalMatch> match;
  bool human = true;

  bool deploys = true, runs = false;  // attestation: which uses of artifacts it is about; grace_ns as above
  std::uint64_t kinds = 0;            // a bit per provenance_kind: each must be verified; 0 = one that tells the origin
  std::vector<std::string> builders;  // `*` and `?` allowed; empty = any
  bool accept_claims = false, require_digest = true;
  Approved approved = Approved::no;

  std::int64_t window_ns = 0;  // egress_cap
  std::uint64_t bytes = 0;
  bool per_principal = false;

  bool applies(const Event& event) const;
};

/// Why an event breaks a rule, as the end of a sentence; nothing when it does not.
/// For forbidden_flow, unapproved_destination, capability and where.
std::optional<std::string> violation(const Rule& rule, const Event& event);

struct Exception {
  std::string id, owner, reason;
  std::vector<Key> rules;  // empty = all
  filter::Filter where;
  std::int64_t until_ns = 0;
  bool covers(const Rule& rule, const Event& event) const;
};

struct Policy::Compiled {
  std::string hash;
  std::vector<DestinationGroup> destinations;
  std::vector<Rule> rules;
  std::vector<Exception> exceptions;
  Sampling sampling;
  bool demands_attestations = false;  // a rule of type attestation is on
  const Exception* exception_for(const Rule& rule, const Event& event) const;
};

/// `*` any run, `?` any character.
bool glob_matches(std::string_view pattern, std::string_view text);
/// "corp.example" matches itself and what is below it, in any case.
bool host_matches(std::string_view suffix, std::string_view host);
bool net_contains(const DestinationGroup::Net& net, const Ip& address);

}  // namespace tidewaiter::detect
