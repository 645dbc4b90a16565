// Parser: the bytes of each record of a batch → its events, by the plans of the mappings. Never fails: what is no
// document becomes a reject with a reason, a document of no known shape an unmapped record with one event (semantics 5).
//
// Cost: one pass of simdjson (stage 1) and one walk over the fields; strings without a backslash are views into the
// record, the rest is written behind the bodies in the batch's arena. No allocation per event once warm.
// Not strict (the default): what lies under keys that no mapping reads is checked for UTF-8, closed strings, depth and
// number of keys, but not for grammar (`{"unread":tru}` passes). strict: the whole text is checked, about 3 times the cost.
// Owned by one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/record.hpp"
#include "core/result.hpp"
#include "ingest/attestation.hpp"
#include "ingest/explanation.hpp"
#include "ingest/json_check.hpp"
#include "ingest/mapping_fault.hpp"
#include "ingest/text_order.hpp"

namespace tidewaiter::ingest {

/// A mapping file: its name for messages, and its text.
struct MappingFile {
  std::string name, json;
};

struct ParserOptions {
  JsonLimits limits;
  std::size_t events_max = 10'000;      // of one message
  bool strict = false;                  // for all topics
  std::set<std::string> strict_topics;  // for these
  std::string format;                   // the format of all topics; "" = by the shape of each message
  std::map<std::string, std::string> topic_formats;                    // the format of a topic
  std::map<std::string, std::vector<std::string>> text_columns;        // order of columns of a text format
  std::vector<MappingFile> mappings;    // beside the built-in ones; the same format replaces a built-in one
  std::shared_ptr<const Trust> trust;   // signatures are judged by it; null = not at all
  bool explain = false;                 // explain() will be asked; slower
};

/// What became of messages, by format.
struct FormatCount {
  std::string format;
  std::uint64_t events = 0, unread_keys = 0;
  std::array<std::uint64_t, 16> rejects{};  // by RejectReason
};

/// Signed statements judged, by SignatureStatus; passed_over: beyond what is judged of one message.
struct SignatureCounts {
  std::array<std::uint64_t, signature_status_count> judged{};
  std::uint64_t passed_over = 0;
};

/// The mappings that are part of the program (schemas/mappings/*.json at build time).
std::vector<MappingFile> embedded_mappings();

/// Everything that is wrong with a mapping: what does not compile, and what cannot be meant (mapping_review.hpp).
std::vector<MappingFault> check_mapping(const MappingFile& file);
/// No two of these files have one format or one number. Error: invalid_argument, naming both.
Result<void> check_distinct(const std::vector<MappingFile>& files);
/// The names that columns of its lines may have, those that nothing reads as well; nothing for a mapping that compiles not
/// or reads no lines.
std::optional<std::set<std::string>> line_columns(const MappingFile& file);
/// Names of the formats of the built-in mappings.
std::vector<std::string> embedded_formats();

class Parser {
 public:
  /// The format that fitted the topic's last message is tried first, then those whose top-level keys are there. Error: invalid_argument, naming the mapping.
  static Result<std::unique_ptr<Parser>> create(ParserOptions options = {},
                                                const std::vector<MappingFile>& mappings = embedded_mappings());
  ~Parser();

  /// Fills batch.events and sets kind, reason, first_event and event_count of every record.
  void parse(Batch& batch);

  /// Parses one record of the batch and says where each column came from. Needs ParserOptions::explain.
  Explanation explain(Batch& batch, Record& record);

  /// Lines of text whose header line was not seen since create() or forget_orders() are read as `recall` says; without
  /// it by the configured or default order. `for_each_record`: nothing is remembered from one message to the next.
  void recall_orders_by(const RecallOrder& recall, bool for_each_record = false);
  /// What header lines said must be recalled: the messages that follow are not those behind the ones before.
  void forget_orders();
  /// The header lines, in order, that changed something since the last call. Needs recall_orders_by().
  std::vector<TextOrder> take_orders();

  /// Since create(), by format in the order of the mappings; the last one is "unknown": unmapped events, and rejects of
  /// topics without a fixed format.
  std::vector<FormatCount> counts() const;
  /// The same without a copy; `format` of each is left out.
  void visit_counts(const std::function<void(std::size_t, const FormatCount&)>& visit) const;
  SignatureCounts signature_counts() const;

  /// As ParserOptions::trust, from the next message on; the counts go on.
  void judge_by(const std::shared_ptr<const Trust>& trust);

 private:
  struct State;
  explicit Parser(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tidewaiter::ingest
