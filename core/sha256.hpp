// SHA-256 (FIPS 180-4) over OpenSSL. Nothing is allocated per digest.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

namespace tidewaiter {

using Hash = std::array<std::uint8_t, 32>;
inline std::string_view as_view(const Hash& hash) {
  return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

/// Owned by one thread. digest() hashes the concatenation of its arguments.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  Hash digest(std::string_view a, std::string_view b = {}, std::string_view c = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// One-shot, for places where speed does not matter.
Hash sha256(std::string_view bytes);

/// uid of an event: SHA-256 of its leaf's coordinates and sub, independent of any version (semantics 6).
struct Record;
Hash event_uid(const Record& record, std::uint32_t sub);

}  // namespace tidewaiter
