// Proof files (c2sp.org/tlog-proof@v1): that one record stands at one place of one signed log, checkable with nothing
// but the file, the public key and, to see what the record says, its body (FILE.record).
//   c2sp.org/tlog-proof@v1
//   extra BASE64            u16 length of the leaf, the leaf, then its 16 bytes of salt (none after an erasure)
//   index N
//   BASE64 ...              inclusion path, from the leaf's sibling upwards
//   (blank line)
//   checkpoint, verbatim
// Making one reads the store; checking one is a pure function that trusts no byte of the file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/record.hpp"
#include "core/result.hpp"
#include "core/sha256.hpp"
#include "store/note.hpp"
#include "store/reader.hpp"

namespace tidewaiter::store {

struct ProofFile {
  std::string leaf;
  std::string salt;  // 16 bytes or none
  std::uint64_t index = 0;
  std::vector<Hash> path;
  std::string checkpoint;

  std::string text() const;
  /// Strict: one spelling per proof. Error: invalid_argument, naming the line.
  static Result<ProofFile> parse(std::string_view text);
};

/// The fields of a leaf, read back (store/leaf.hpp has the form).
struct LeafFields {
  RecordKind kind = RecordKind::event;
  std::string cluster;  // or the store id, of records of our own
  TopicId topic_id{};
  std::uint32_t partition = 0;
  std::uint64_t offset = 0;
  std::int32_t leader_epoch = -1;
  Hash commitment{};
};
Result<LeafFields> read_leaf(std::string_view leaf);

/// Why there is no proof yet, and when there may be one.
struct NotCovered {
  std::uint64_t covered = 0;      // records under the newest head of the log
  std::int64_t head_time_ns = 0;  // of that head; 0 = none
};

struct MadeProof {
  ProofFile file;
  std::string body;  // empty after an erasure
  std::optional<NotCovered> not_covered;  // then the rest is empty
};
/// Under the newest signed head of the log. Errors: not_found (no such record), corruption.
Result<MadeProof> make_proof(const Reader& reader, std::uint16_t log, std::uint64_t seq);

/// The key that signs a store's heads. A vkey brings the name of the log, or the beginning of its logs' names up to a '/',
/// and then no other origin is believed; PEM and hex bring none.
struct TrustedKey {
  PublicKey key{};
  std::string name;
  bool speaks_for(std::string_view origin) const;
};
Result<TrustedKey> load_trusted_key(const std::string& file);

/// The checkpoint, if this key has signed it as the log's own. Errors: permission, corruption, invalid_argument.
Result<Checkpoint> open_checkpoint(std::string_view note, const TrustedKey& key);

struct ProofVerdict {
  std::string origin;      // of the log, as signed
  std::uint64_t size = 0;  // of the tree that the checkpoint signs
  std::uint64_t index = 0;
  Hash root{};
  LeafFields leaf;
  bool body_checked = false;  // false: leaf proven, body not shown
};
/// Errors: permission (no signature of this key, or not one of its logs), corruption (signature, path, leaf, body or
/// coordinates do not fit), invalid_argument (malformed file).
Result<ProofVerdict> verify_proof(std::string_view file, std::optional<std::string_view> body, const TrustedKey& key);

}  // namespace tidewaiter::store
