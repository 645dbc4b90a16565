// Policy: the rules of schemas/policy.schema.json, parsed and compiled. Immutable once made; cheap to share.
// app/ validates a file with parse() before it writes the policy control record, so a record in the log always parses.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/event.hpp"
#include "core/result.hpp"

namespace tidewaiter::detect {

/// Which destinations belong to a category, in file order; what matches none is "public".
struct DestinationGroup {
  std::string category;
  std::vector<std::string> hosts;  // suffixes: "corp.example" matches itself and everything below it
  struct Net {
    Ip base{};
    int prefix_bits = 0;  // of the 128-bit address; IPv4 nets are v4-mapped (+96)
  };
  std::vector<Net> nets;
};

class Policy {
 public:
  /// `json` is one policy object. Errors: invalid_argument; the message names the key, what was expected and the
  /// nearest valid word.
  static Result<Policy> parse(std::string_view json);

  const std::vector<DestinationGroup>& destinations() const;
  /// "internal", "partner" ... of a host or address; "public" when in no group. Host comparison ignores case.
  std::string_view category_of(std::string_view host, const Ip* address) const;
  /// hex SHA-256 of the policy as parsed (canonical JSON).
  const std::string& hash() const;
  std::size_t rule_count() const;

  struct Compiled;
  const Compiled& compiled() const { return *compiled_; }

 private:
  explicit Policy(std::shared_ptr<const Compiled> compiled) : compiled_(std::move(compiled)) {}
  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace tidewaiter::detect
