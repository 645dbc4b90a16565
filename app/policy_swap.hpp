// PolicySwap: commits of a log as they would be if another policy had been in force from the start. The policies of the
// control log are left out, and dst_category, which ingest takes from the policy, is that of the new one. A category that
// a user table gave stays. Owned by one thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/record.hpp"
#include "core/result.hpp"
#include "ingest/enrich.hpp"

namespace tidewaiter::app {

class PolicySwap {
 public:
  /// `policy_json` is one policy object (LoadedPolicy::json). Error: invalid_argument.
  static Result<PolicySwap> make(const std::string& policy_json);

  /// What comes before the first commit: the control record of the policy. Lives as long as this object.
  const Commit& first();
  /// The commit itself when nothing in it changes, else a copy that keeps it, for its texts are still those of the commit; those
  /// of categories are this object's. In order of number.
  CommitPtr fit(const CommitPtr& commit);

 private:
  PolicySwap(std::string control, std::vector<ingest::DestinationGroup> groups);
  std::vector<Record> take_policies_out(const std::vector<Record>& records);
  void set_categories(std::vector<Event>& events) const;

  std::unique_ptr<const std::string> control_;  // the record's value, with padding; on the heap, for views point at it
  std::vector<ingest::DestinationGroup> groups_;
  std::vector<ingest::DestinationGroup> groups_then_;  // of the log's policy in force
  std::unique_ptr<ingest::Destinations> now_, then_;
  Commit first_;
};

}  // namespace tidewaiter::app
