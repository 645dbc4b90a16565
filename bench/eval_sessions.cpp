#include <chrono>

#include "bench/eval.hpp"
#include "bench/eval_csv.hpp"
#include "bench/eval_output.hpp"
#include "detect/sequence.hpp"

namespace tidewaiter::bench {
namespace {

using detect::Key;

/// Calls visit(symbol) for each token of a line, and for its end.
template <class Visit>
void each_symbol(std::string_view line, Visit visit) {
  constexpr std::string_view blanks = " \t";
  for (std::size_t at = 0; (at = line.find_first_not_of(blanks, at)) != std::string_view::npos;) {
    const std::size_t end = std::min(line.find_first_of(blanks, at), line.size());
    visit(detect::hash_name(line.substr(at, end - at)));
    at = end;
  }
  visit(detect::Sequence::end_symbol);
}

Result<std::uint64_t> learn(detect::Sequence& sequence, const std::string& path) {
  Result<LineReader> lines = LineReader::open(path);
  if (!lines) return lines.error();
  std::string_view line;
  std::uint64_t sessions = 0;
  while (lines->next(line)) {
    ++sessions;
    detect::Sequence::History history;
    each_symbol(line, [&](Key symbol) {
      sequence.learn(detect::Sequence::Place(history), symbol, 1);
      history.push(symbol);
    });
  }
  if (sessions == 0) return Error{Code::invalid_argument, path + ": no session in it to learn from"};
  return sessions;
}

double score(detect::Sequence& sequence, std::string_view line) {
  detect::Sequence::History history;
  detect::SequenceScore total;
  each_symbol(line, [&](Key symbol) {
    total.add(sequence.surprise(detect::Sequence::Place(history), symbol));
    history.push(symbol);
  });
  return total.root_mean_square();
}

}  // namespace

Result<nlohmann::ordered_json> eval_sessions(const EvalOptions& options) {
  detect::Sequence sequence(options.memory_bytes);
  const Result<std::uint64_t> learnt = learn(sequence, options.train);
  if (!learnt) return learnt.error();
  Result<LineReader> lines = LineReader::open(options.files[0]);
  if (!lines) return lines.error();
  Result<ScoreWriter> out = ScoreWriter::open(options.out);
  if (!out) return out.error();
  const auto start = std::chrono::steady_clock::now();
  std::string_view line;
  std::uint64_t sessions = 0;
  for (; lines->next(line); ++sessions) {
    out->number(score(sequence, line));
    out->text("\n");
    if (Result<void> written = out->flush_when_full(); !written) return written.error();
  }
  if (Result<void> closed = out->close(); !closed) return closed.error();
  const double wall_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  nlohmann::ordered_json report;
  report["command"] = "sessions";
  report["file"] = options.files[0];
  report["sessions_learnt"] = *learnt;
  report["sessions"] = sessions;
  report["ns_per_session"] = wall_s * 1e9 / static_cast<double>(std::max<std::uint64_t>(sessions, 1));
  report["evictions"] = sequence.evictions();
  return report;
}

}  // namespace tidewaiter::bench
