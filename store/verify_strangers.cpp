// What must not be there: values that no reader asks for today are a place to put lies for tomorrow. And followers:
// cursors and snapshots, which no leaf stands behind, are held to what the logs say.
#include <algorithm>

#include "core/text.hpp"
#include "store/keys.hpp"
#include "store/snapshot_value.hpp"
#include "store/verify_context.hpp"

namespace tidewaiter::store {

namespace {

std::uint16_t log_of(std::string_view key) { return key.size() < 2 ? 0xffff : get_be<std::uint16_t>(key.data()); }

/// Blocks and bodies beyond the end of their log, or of no log.
Result<void> blocks_beyond(VerifyContext& context, Cf cf) {
  const auto it = context.db.iterate(cf);
  const auto& logs = context.state.logs;
  for (std::uint16_t log = 0; log <= logs.size(); ++log) {
    it->seek(raw_key(log, log < logs.size() ? logs[log].tree.size : 0));
    if (!it->valid() || (log < logs.size() && log_of(it->key()) != log)) continue;
    if (log < logs.size())
      context.find(logs[log], logs[log].tree.size, logs[log].tree.size, cf_name(cf), "a block is stored beyond the end of the log");
    else
      context.find(cf_name(cf), "a block is stored of a log that does not exist");
  }
  return it->status();
}

/// The walk has followed the blocks of version 0 in step with the bodies; what it passed over is counted here. Columns of
/// a later version lie beside those of version 0; the ones of a remap that was not ended are read by nobody.
Result<void> blocks_between(VerifyContext& context) {
  const auto cols = context.db.iterate(Cf::cols), raw = context.db.iterate(Cf::raw);
  cols->seek({});
  raw->seek({});
  std::string block;
  for (; cols->valid() || raw->valid(); cols->next()) {
    if (cols->valid() && cols->key().size() == cols_key_size && cols->key().back() != 0) {
      if (static_cast<std::uint8_t>(cols->key().back()) > context.column_version_begun)
        context.find("cols", "there are columns of a version that no record announces");
      else if (cols->key().substr(0, raw_key_size) != block)
        context.find("cols", "there are columns of a later version without the block that they are of");
      continue;
    }
    const bool pair = cols->valid() && raw->valid() && cols->key().size() == cols_key_size &&
                      raw->key() == cols->key().substr(0, raw_key_size);
    if (!pair) {
      context.find("raw", "the blocks of bodies are not those of the columns");
      break;
    }
    block = raw->key();
    raw->next();
  }
  TRY(cols->status());
  return raw->status();
}

Result<void> tree_nodes(VerifyContext& context) {
  const auto it = context.db.iterate(Cf::tree);
  for (it->seek({}); it->valid() && !context.full(); it->next()) {
    const std::string_view key = it->key();
    const auto& logs = context.state.logs;
    const unsigned height = key.size() == 11 ? static_cast<unsigned char>(key[2]) : 0;
    const bool known = height != 0 && height % 8 == 0 && height < 64 && log_of(key) < logs.size() &&
                       get_be<std::uint64_t>(key.data() + 3) < logs[log_of(key)].tree.size >> height;
    if (!known) context.find("tree", "there is a node that no tree of these logs has");
  }
  return it->status();
}

Result<void> index_values(VerifyContext& context) {
  const auto it = context.db.iterate(Cf::index);
  const auto& columns = indexed_columns();
  for (it->seek({}); it->valid() && !context.full(); it->next()) {
    const std::string_view key = it->key();
    const bool later = key.size() == index_key_size + 1 && key.back() != 0 &&
                       (!context.whole || static_cast<std::uint8_t>(key.back()) <= context.column_version_begun);
    const bool known = (key.size() == index_key_size || later) && log_of(key) < context.state.logs.size() &&
                       get_be<std::uint64_t>(key.data() + 2) % context.state.segment_records == 0 &&
                       std::find(columns.begin(), columns.end(), static_cast<std::uint8_t>(key[index_key_size - 1])) !=
                           columns.end();
    if (!known) context.find("index", "there is an index of a segment or column that does not exist");
  }
  return it->status();
}

Result<void> meta_values(VerifyContext& context) {
  const auto it = context.db.iterate(Cf::meta);
  for (it->seek({}); it->valid() && !context.full(); it->next()) {
    const std::string_view key = it->key();
    const bool origin = key.starts_with("origin/") && key.size() == 11 &&
                        get_be<std::uint32_t>(key.data() + 7) < context.state.origins;
    const bool sealed = key.starts_with("sealed/") && key.size() == 9 && log_of(key.substr(7)) < context.state.logs.size();
    if (key != "state" && !origin && !sealed && !key.starts_with("cursor/"))
      context.find("meta", "there is a value with the key " + to_hex(key) + " that nothing has written");
  }
  return it->status();
}

Result<void> snapshots(VerifyContext& context, const FollowerView& view) {
  const auto it = context.db.iterate(Cf::snapshots);
  for (it->seek({}); it->valid() && !context.full(); it->next()) {
    const std::string_view key = it->key();
    const std::size_t end = key.find('\0');
    const std::string name(key.substr(0, end));
    const auto value = decode_snapshot(it->value());
    if (end == std::string_view::npos || key.size() != end + 9 || !value) {
      context.find("snapshots", "a snapshot of '" + name + "' cannot be read");
      continue;
    }
    const auto commit = get_be<std::uint64_t>(key.data() + end + 1);
    if (commit > context.state.commit)
      context.find("snapshots", "a snapshot of '" + name + "' is of a commit that does not exist");
    else if (context.request.snapshot_wrong)
      if (const std::string wrong = context.request.snapshot_wrong(name, commit, *value, view); !wrong.empty())
        context.find("snapshots", "the snapshot of '" + name + "' at commit " + std::to_string(commit) + " " + wrong);
  }
  return it->status();
}

}  // namespace

Result<void> check_followers(VerifyContext& context) {
  FollowerView view{context.state.commit, 0, context.whole};
  if (const auto found = context.counters.records_by_kind.find("alert"); found != context.counters.records_by_kind.end())
    view.alerts = found->second;
  constexpr std::string_view prefix = "cursor/";
  const auto it = context.db.iterate(Cf::meta);
  for (it->seek(prefix); it->valid() && it->key().starts_with(prefix); it->next()) {
    const std::string name(it->key().substr(prefix.size()));
    const auto value = decode_checked(it->value());
    if (!value)
      context.find("meta", "the cursor '" + name + "' cannot be read");
    else if (context.request.cursor_wrong)
      if (const std::string wrong = context.request.cursor_wrong(name, *value, view); !wrong.empty())
        context.find("meta", "the cursor '" + name + "' " + wrong);
  }
  TRY(it->status());
  return snapshots(context, view);
}

Result<void> check_strangers(VerifyContext& context) {
  if (context.full()) return {};
  TRY(blocks_beyond(context, Cf::cols));
  TRY(blocks_beyond(context, Cf::raw));
  if (context.whole && context.report.good()) TRY(blocks_between(context));
  TRY(tree_nodes(context));
  TRY(index_values(context));
  return meta_values(context);
}

}  // namespace tidewaiter::store
