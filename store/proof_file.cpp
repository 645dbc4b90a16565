#include "store/proof_file.hpp"

#include <algorithm>
#include <cstring>
#include <fstream>

#include "core/text.hpp"
#include "store/leaf.hpp"
#include "store/merkle.hpp"

namespace tidewaiter::store {

namespace {

constexpr std::string_view first_line = "c2sp.org/tlog-proof@v1";
constexpr std::size_t path_hashes_max = 64;
constexpr std::size_t file_bytes_max = 1 << 20;

Error malformed(std::string_view what) {
  return fail(Code::invalid_argument, "this is no proof file that can be read: " + std::string(what));
}

/// A decimal number in its one spelling.
std::optional<std::uint64_t> plain_number(std::string_view text) {
  if (text.empty() || text.size() > 20 || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (value > (~std::uint64_t{0} - digit) / 10) return std::nullopt;
    value = value * 10 + digit;
  }
  return value;
}

class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {}
  /// The next line without its newline; nothing when there is no whole line left.
  std::optional<std::string_view> next() {
    const std::size_t end = rest_.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return line;
  }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

Result<void> read_extra(std::string_view line, ProofFile& file) {
  constexpr std::string_view word = "extra ";
  if (line.substr(0, word.size()) != word) return malformed("the second line is not 'extra'");
  const auto extra = from_base64(line.substr(word.size()));
  if (!extra || extra->size() < 2) return malformed("'extra' is not base64 of a leaf and its salt");
  const std::size_t leaf_size = get_be<std::uint16_t>(extra->data());
  const std::size_t rest = extra->size() - 2;
  if (leaf_size == 0 || (rest != leaf_size && rest != leaf_size + salt_size))
    return malformed("'extra' is not a leaf and its salt");
  file.leaf = extra->substr(2, leaf_size);
  file.salt = extra->substr(2 + leaf_size);
  return {};
}

Result<Hash> read_hash(std::string_view line) {
  const auto bytes = from_base64(line);
  Hash hash;
  if (!bytes || bytes->size() != hash.size()) return malformed("a line of the path is not base64 of 32 bytes");
  std::memcpy(hash.data(), bytes->data(), hash.size());
  return hash;
}

const Head* newest_covering(const std::vector<Head>& heads, std::uint64_t seq) {
  return heads.empty() || heads.back().size <= seq ? nullptr : &heads.back();
}

}  // namespace

std::string ProofFile::text() const {
  std::string extra(2, '\0');
  put_be<std::uint16_t>(extra.data(), static_cast<std::uint16_t>(leaf.size()));
  extra += leaf + salt;
  std::string out(first_line);
  out += "\nextra " + to_base64(extra) + "\nindex " + std::to_string(index) + "\n";
  for (const Hash& hash : path) out += to_base64(as_view(hash)) + "\n";
  return out + "\n" + checkpoint;
}

Result<ProofFile> ProofFile::parse(std::string_view text) {
  if (text.size() > file_bytes_max) return malformed("it is larger than 1 MiB");
  Lines lines(text);
  ProofFile file;
  auto line = lines.next();
  if (!line || *line != first_line) return malformed("the first line is not '" + std::string(first_line) + "'");
  line = lines.next();
  if (!line) return malformed("it ends after the first line");
  TRY(read_extra(*line, file));
  line = lines.next();
  constexpr std::string_view word = "index ";
  if (!line || line->substr(0, word.size()) != word) return malformed("the third line is not 'index'");
  const auto index = plain_number(line->substr(word.size()));
  if (!index) return malformed("the index is no plain number");
  file.index = *index;
  for (line = lines.next(); line && !line->empty(); line = lines.next()) {
    if (file.path.size() == path_hashes_max) return malformed("the path has more than 64 hashes");
    TRY_ASSIGN(const Hash hash, read_hash(*line));
    file.path.push_back(hash);
  }
  if (!line) return malformed("no empty line ends the path");
  file.checkpoint = lines.rest();
  return file;
}

Result<LeafFields> read_leaf(std::string_view leaf) {
  const auto bad = [] { return fail(Code::corruption, "the leaf is not in the form of this version"); };
  LeafFields fields;
  if (leaf.size() < 3 || static_cast<std::uint8_t>(leaf[0]) != leaf_version) return bad();
  fields.kind = static_cast<RecordKind>(leaf[1]);
  const std::size_t name_size = static_cast<std::uint8_t>(leaf[2]);
  const std::size_t epoch_size = fields.kind == RecordKind::conflict ? 4 : 0;
  const std::size_t numbers = 3 + name_size + fields.topic_id.size();
  if (leaf.size() != numbers + 12 + epoch_size + fields.commitment.size()) return bad();
  if (std::string_view(record_kind_name(fields.kind)) == "unknown") return bad();
  fields.cluster = leaf.substr(3, name_size);
  std::memcpy(fields.topic_id.data(), leaf.data() + 3 + name_size, fields.topic_id.size());
  fields.partition = get_be<std::uint32_t>(leaf.data() + numbers);
  fields.offset = get_be<std::uint64_t>(leaf.data() + numbers + 4);
  if (epoch_size) fields.leader_epoch = get_be<std::int32_t>(leaf.data() + numbers + 12);
  std::memcpy(fields.commitment.data(), leaf.data() + numbers + 12 + epoch_size, fields.commitment.size());
  return fields;
}

Result<MadeProof> make_proof(const Reader& reader, std::uint16_t log, std::uint64_t seq) {
  const std::uint64_t size = reader.size(log);
  if (seq >= size)
    return fail(Code::not_found, "this log has " + std::to_string(size) + " records, so none with the number " + std::to_string(seq));
  TRY_ASSIGN(const std::vector<Head> heads, reader.heads(log));
  MadeProof made;
  const Head* head = newest_covering(heads, seq);
  if (!head) {
    made.not_covered = heads.empty() ? NotCovered{} : NotCovered{heads.back().size, heads.back().time_ns};
    return made;
  }
  made.file.index = seq;
  made.file.checkpoint = head->note;
  TRY_ASSIGN(made.file.leaf, reader.leaf(log, seq));
  TRY_ASSIGN(made.file.path, reader.inclusion_path(log, seq, head->size));
  auto salt = reader.salt(log, seq);
  if (!salt && salt.error().code != Code::not_found) return std::move(salt).error();
  if (salt) {
    made.file.salt = std::move(*salt);
    TRY_ASSIGN(const StoredRecord record, reader.record(log, seq));
    made.body = record.record.body;
  }
  return made;
}

bool TrustedKey::speaks_for(std::string_view origin) const {
  if (name.empty() || origin == name) return true;
  return origin.size() > name.size() && origin.starts_with(name) && origin[name.size()] == '/';
}

Result<TrustedKey> load_trusted_key(const std::string& file) {
  TrustedKey trusted;
  TRY_ASSIGN(trusted.key, load_public_key(file));
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  while (!line.empty() && line.back() == ' ') line.pop_back();
  if (const auto vkey = decode_vkey(line)) trusted.name = vkey->name;
  return trusted;
}

Result<Checkpoint> open_checkpoint(std::string_view note, const TrustedKey& key) {
  TRY_ASSIGN(Checkpoint checkpoint, parse_checkpoint(note));
  if (!key.speaks_for(checkpoint.origin))
    return fail(Code::permission, "the checkpoint is of the log '" + checkpoint.origin + "', but the key is that of '" +
                                      key.name + "'");
  TRY_ASSIGN(const bool signed_by_key, verify_checkpoint(checkpoint, key.key));
  if (!signed_by_key)
    return fail(Code::permission, "the checkpoint of '" + checkpoint.origin + "' is not signed by this key");
  return checkpoint;
}

Result<ProofVerdict> verify_proof(std::string_view text, std::optional<std::string_view> body, const TrustedKey& key) {
  TRY_ASSIGN(const ProofFile file, ProofFile::parse(text));
  TRY_ASSIGN(const Checkpoint checkpoint, open_checkpoint(file.checkpoint, key));
  ProofVerdict verdict;
  verdict.origin = checkpoint.origin;
  verdict.size = checkpoint.size;
  verdict.root = checkpoint.root;
  verdict.index = file.index;
  TRY_ASSIGN(verdict.leaf, read_leaf(file.leaf));
  Sha256 sha;
  if (file.index >= checkpoint.size)
    return fail(Code::corruption, "the record's number " + std::to_string(file.index) + " lies outside the signed log of " +
                                      std::to_string(checkpoint.size) + " records");
  if (!verify_inclusion(leaf_hash(sha, file.leaf), file.index, checkpoint.size, file.path, checkpoint.root))
    return fail(Code::corruption, "the path does not lead from this leaf to the signed root: the leaf is not at this place of this log");
  if (is_own(verdict.leaf.kind) && verdict.leaf.offset != file.index)
    return fail(Code::corruption, "the leaf names another place in its log than the proof does");
  if (!body) return verdict;
  if (file.salt.empty())
    return fail(Code::corruption, "the proof holds no salt, so the record shown cannot be checked against its leaf");
  if (commitment(sha, file.salt, *body) != verdict.leaf.commitment)
    return fail(Code::corruption, "the record shown is not the one in the log: its hash differs from the leaf's");
  verdict.body_checked = true;
  return verdict;
}

}  // namespace tidewaiter::store
