#include "store/verify.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

#include "store/keys.hpp"
#include "store/verify_context.hpp"

namespace tidewaiter::store {

namespace {

constexpr auto whole_view_within = std::chrono::seconds(5);
constexpr auto retry_after = std::chrono::milliseconds(50);

struct View {
  std::shared_ptr<Db> db;
  StoreState state;
};

/// A secondary reads files while they are written: the state and the newest commit must belong together.
Result<bool> is_whole(const Db& db, const StoreState& state) {
  if (state.commit == 0) return true;
  TRY_ASSIGN(const auto newest, db.get(Cf::commits, commit_key(state.commit)));
  TRY_ASSIGN(const auto next, db.get(Cf::commits, commit_key(state.commit + 1)));
  const auto entry = newest ? decode_commit_entry(*newest) : Result<CommitEntry>(fail(Code::corruption, ""));
  if (!entry || next) return false;
  return std::all_of(entry->parts.begin(), entry->parts.end(), [&](const CommitEntry::Part& part) {
    return part.log < state.logs.size() && part.first_seq + part.records == state.logs[part.log].tree.size;
  });
}

/// Not whole after a while: the database itself is so, and the checks will say where.
Result<View> open_view(const std::string& directory) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(directory, ignored))
    return fail(Code::unavailable, "there is no store at " + directory);
  const auto deadline = std::chrono::steady_clock::now() + whole_view_within;
  for (;;) {
    View view;
    TRY_ASSIGN(view.db, Db::open_secondary({directory, false, nullptr}));
    TRY_ASSIGN(const auto bytes, view.db->get(Cf::meta, state_key()));
    const bool late = std::chrono::steady_clock::now() > deadline;
    auto state = bytes ? decode_state(*bytes) : Result<StoreState>(fail(Code::corruption, "meta: the state is missing"));
    if (state) {
      view.state = std::move(*state);
      TRY_ASSIGN(const bool whole, is_whole(*view.db, view.state));
      if (whole || late) return view;
    } else if (late || state.error().code == Code::invalid_argument) {  // another format does not become whole by waiting
      return std::move(state).error();
    }
    std::this_thread::sleep_for(retry_after);
  }
}

void prepare_report(VerifyContext& context) {
  VerifyReport& report = context.report;
  report.store_id = context.state.store_id;
  report.generation = context.state.generation;
  report.commit = context.state.commit;
  report.keyed = context.request.public_key.has_value();
  for (const LogState& log : context.state.logs) {
    VerifiedLog shown;
    shown.name = log.info.name;
    shown.size = log.tree.size;
    report.logs.push_back(std::move(shown));
  }
}

void sort_expected(std::vector<Expected>& expected) {
  std::stable_sort(expected.begin(), expected.end(), [](const Expected& a, const Expected& b) { return a.size < b.size; });
}

/// control first: its coverage records say what to expect of the others.
Result<void> walk_all(VerifyContext& context) {
  for (std::size_t i = 0; i < context.state.logs.size(); ++i)
    context.total += context.state.logs[i].tree.size - context.start[i].size;
  for (std::uint16_t log = 0; log < context.state.logs.size() && !context.full(); ++log) {
    sort_expected(context.expected[log]);
    TRY(walk_log(context, log));
  }
  if (context.request.progress) context.request.progress(context.done, context.total);
  return {};
}

/// An error of code corruption is a finding too: then the database could not read its own files.
Result<void> check_all(VerifyContext& context, const View& view, const std::vector<FoundNote>& files) {
  const BlockStore blocks(view.db, 8u << 20);
  TRY(collect_heads(context, files, blocks));
  TRY(walk_all(context));
  TRY(check_later_columns(context, blocks));
  TRY(check_commits(context));
  TRY(check_tables(context));
  TRY(check_followers(context));
  return check_strangers(context);
}

}  // namespace

void VerifyContext::find(Finding finding) {
  if (report.findings.size() < request.findings_max) report.findings.push_back(std::move(finding));
  else report.more_findings = true;
}
void VerifyContext::find(const LogState& log, std::uint64_t from, std::uint64_t to, const char* place, std::string what) {
  find({log.info.name, from, to, 0, 0, place, std::move(what)});
}
void VerifyContext::find(const char* place, std::string what) { find({"", 0, 0, 0, 0, place, std::move(what)}); }

const char* VerifyReport::verdict() const {
  if (!good()) return "wrong";
  return keyed && signatures > 0 ? "authentic" : "consistent";
}

Result<VerifyReport> verify_store(const VerifyRequest& request) {
  const auto start = std::chrono::steady_clock::now();
  // Before the view: what a file names must then be in it.
  auto files = find_notes(request.directory, "");
  auto view = open_view(request.directory);
  if (!view && view.error().code != Code::corruption) return std::move(view).error();
  if (!view) {
    VerifyReport report;
    report.keyed = request.public_key.has_value();
    report.findings.push_back({"", 0, 0, 0, 0, "meta", view.error().message});
    return report;
  }
  VerifyContext context(*view->db, view->state, request);
  prepare_report(context);
  if (!files) context.find("heads", files.error().message);
  if (const auto sound = view->db->check_files(); !sound) context.find("files", sound.error().message);
  const auto checked = check_all(context, *view, files ? *files : std::vector<FoundNote>());
  if (!checked && checked.error().code != Code::corruption) return checked.error();
  if (!checked) context.find("files", checked.error().message);
  context.report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return std::move(context.report);
}

}  // namespace tidewaiter::store
