// At open: does the store still extend the newest heads it is known by (semantics 12)? If not, stop, or begin a new
// generation, so that our key never signs a fork.

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/log_line.hpp"
#include "store/head_files.hpp"
#include "store/log_state.hpp"
#include "store/tree_reader.hpp"

namespace tidewaiter::store {
/// A head of this store, signed with its key. Anybody who may commit for the group can write something else there.
bool Log::State::is_own_head(const KnownHead& head) const {
  const auto parsed = parse_checkpoint(head.note);
  const auto parts = parsed ? split_origin(parsed->origin) : std::nullopt;
  if (!parts || parts->store_id != state.store_id) return false;
  if (!signing_key) return true;
  const auto right = verify_checkpoint(*parsed, signing_key->public_key());
  if (right && *right) return true;
  log_line(Level::warn, "a head of this store is not signed by its key and is passed over", {{"place", head.place}});
  return false;
}

/// Why this head does not fit the store, or nothing when it does.
Result<std::string> Log::State::misfit(const std::string& place, const std::string& note) {
  auto parsed = parse_checkpoint(note);
  if (!parsed) return fail(Code::corruption, place + ": " + parsed.error().message);
  const auto parts = split_origin(parsed->origin);
  if (!parts) return fail(Code::corruption, place + ": its origin is none of ours: " + parsed->origin);
  if (parts->store_id != state.store_id)
    return place + " is a head of store " + parts->store_id + ", and this is store " + state.store_id;
  if (parts->generation < state.generation) return std::string();
  if (parts->generation > state.generation)
    return place + " is of generation " + std::to_string(parts->generation) + ", and the store is of generation " +
           std::to_string(state.generation);
  if (signing_key) {
    auto right = verify_checkpoint(*parsed, signing_key->public_key());
    if (!right) return fail(Code::corruption, place + ": " + right.error().message);
  }
  for (const LogState& log : state.logs) {
    if (log.info.name != parts->log) continue;
    if (log.tree.size < parsed->size)
      return "log " + log.info.name + " has " + std::to_string(log.tree.size) + " records, and " + place +
             " was signed at " + std::to_string(parsed->size);
    TreeReader tree(*db, *blocks, state.store_id, log.info.id, log.tree.size);
    TRY_ASSIGN(const Hash root, root_at(parsed->size, tree.fetch()));
    if (root != parsed->root)
      return "log " + log.info.name + " has another root at size " + std::to_string(parsed->size) + " than " + place;
    return std::string();
  }
  return "log " + parts->log + " of " + place + " is not in the store";
}

/// Gaps from where the store ends to what it is known to have held.
std::unique_ptr<Batch> Log::State::accepted_loss() const {
  auto lost = std::make_unique<Batch>(0);
  const std::vector<Position> ends = ledger.positions();
  for (const KnownOffset& known : options.known_offsets) {
    if (known.store_id != state.store_id) continue;
    const auto end = std::find_if(ends.begin(), ends.end(), [&](const Position& p) {
      return p.cluster == known.origin->cluster && p.topic_id == known.origin->topic_id &&
             p.topic == known.origin->topic && p.partition == known.partition;
    });
    const std::uint64_t next = end == ends.end() ? 0 : end->next_offset;
    if (known.next_offset > next)
      lost->gaps.push_back({known.origin, known.partition, next, known.next_offset, "accepted loss"});
  }
  return lost;
}

/// The gaps of an accepted loss are in the commit that begins the generation: no crash can come between.
Result<void> Log::State::begin_generation(const std::string& reason, const std::vector<FoundNote>& notes) {
  nlohmann::json heads = nlohmann::json::array();
  for (const FoundNote& found : notes) {
    const auto parsed = parse_checkpoint(found.note);
    if (parsed && !parsed->signatures.empty() && !signing_key)
      return fail(Code::invalid_argument, "store " + options.directory + " is signed (" + found.place +
                                              "), and no signing key is configured: its next generation would not be");
    const auto parts = parsed ? split_origin(parsed->origin) : std::nullopt;
    if (parts && parts->store_id == state.store_id) state.generation = std::max(state.generation, parts->generation);
    heads.push_back(found.note);
  }
  state.generation += 1;
  has_recovered = true;
  state.coverage_commit = 0;
  for (LogState& log : state.logs) {
    log.unit = no_unit;
    log.columns = {};
  }
  newest_heads.clear();
  const char* mode = options.recover == Recover::reread ? "reread" : "accept_loss";
  log_line(Level::warn, "store: begins a new generation", {{"reason", reason}, {"mode", mode}});
  TRY(commit_control(nlohmann::json{{"type", "generation"},
                                    {"generation", state.generation},
                                    {"mode", mode},
                                    {"reason", reason},
                                    {"old_heads", heads}}
                         .dump(),
                     options.recover == Recover::accept_loss ? accepted_loss() : nullptr));
  return {};
}

Result<void> Log::State::check_heads() {
  TRY_ASSIGN(newest_heads, load_newest_heads());
  TRY_ASSIGN(std::vector<FoundNote> notes, find_notes(options.directory, options.head_file));
  for (const KnownHead& head : options.known_heads)
    if (is_own_head(head)) notes.push_back({head.place, head.note});
  for (const Head& head : newest_heads) notes.push_back({"the newest head kept in the store", head.note});
  for (const FoundNote& found : notes) {
    TRY_ASSIGN(const std::string reason, misfit(found.place, found.note));
    if (reason.empty()) continue;
    if (options.recover != Recover::none) return begin_generation(reason, notes);
    const std::string command = options.recover_command.empty() ? "tidewaiter recover --store " + options.directory
                                                                : options.recover_command;
    return fail(Code::conflict, "store " + options.directory + " does not fit its newest head: " + reason +
                                    ". Choose: '" + command + " --reread' reads again what is missing from Kafka, '" +
                                    command + " --accept-loss' records it as lost. Both begin a new generation.");
  }
  return {};
}

}  // namespace tidewaiter::store
