// What a Parser holds, and the steps from one record to its events; for parser.cpp and parser_formats.cpp alone.
#pragma once

#include <simdjson.h>

#include <algorithm>
#include <bitset>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "ingest/event_writer.hpp"
#include "ingest/parser.hpp"
#include "ingest/plan_walker.hpp"
#include "ingest/recipe_walker.hpp"

namespace tidewaiter::ingest {

inline constexpr std::size_t shape_keys_max = 512;
using KeySet = std::bitset<shape_keys_max>;

/// A format: executed by the quick walk or by the general one; if it has both, the general one is for arrays.
struct Format {
  std::string name;
  std::unique_ptr<PlanWalker> plain;
  std::unique_ptr<RecipeWalker> general;
  struct Way {
    KeySet keys;
    bool array = false;
  };
  std::vector<Way> ways;  // top-level keys of messages that may fit
  bool by_headers = false;
  FormatCount count;

  bool may_fit(const KeySet& keys, bool array) const {
    if (by_headers) return true;
    for (const Way& way : ways)
      if (way.array == array && (way.keys & keys) == way.keys) return true;
    return false;
  }
};

struct Topic {
  bool strict = false;
  std::size_t fixed = SIZE_MAX;     // the only format it may have
  std::size_t last_fit = 0;
};

struct Parser::State {
  using Document = simdjson::ondemand::document;

  ParserOptions options;
  std::vector<Format> formats;
  std::unordered_map<std::string, std::size_t> key_numbers;  // top-level keys that tell formats apart
  std::unordered_map<const Origin*, Topic> topics;
  Topic* topic = nullptr;
  const Origin* last_origin = nullptr;
  EventWriter writer;
  simdjson::ondemand::parser json;
  Explanation* explanation = nullptr;
  FormatCount unknown;
  SignatureCounts signatures_before;  // judged by other keys than those of now
  bool has_text = false;
  std::string_view opened;  // the message in work with a payload that it has in base64; "" = it has none
  bool is_opened = false;   // ... and that is what is being read
  double events_per_record = 1;  // of the last batch

  /// Room for events, so that they are not moved while there come more of them: an event is a kilobyte.
  std::size_t events_expected(std::size_t records) const {
    constexpr double most = 16, margin = 1.125;
    const double each = events_per_record <= 1 ? 1 : std::min(events_per_record * margin, most);
    return static_cast<std::size_t>(each * static_cast<double>(records)) + 1;
  }

  void parse(Batch& batch, Record& record);
  void enter_topic(const Origin* origin);
  RejectReason map(Batch& batch, Record& record, bool& mapped);
  RejectReason map_text(Batch& batch, Record& record, bool& mapped);
  std::string_view with_payload(Batch& batch, std::string_view value, const Plan& plan) const;
  RejectReason try_format(Batch& batch, Record& record, std::size_t number, Document& document, bool array, bool& mapped);
  RejectReason walk(Batch& batch, Record& record, PlanWalker& walker, Document& document, bool& mapped);
  RejectReason walk(Batch& batch, Record& record, Format& format, Document& document, bool& mapped);
  RejectReason lines(Batch& batch, Record& record, bool& mapped);
  RejectReason settle(Batch& batch, Record& record, Format& format, const WalkResult& result, bool& mapped);
  bool shape(Document& document, bool array, KeySet& keys);
  bool add_keys(simdjson::ondemand::object& fields, KeySet& keys) const;
  bool attributes_in_headers(const Record& record, PlanWalker& walker);
  RejectReason why_broken(std::string_view value) const;
  simdjson::error_code iterate(std::string_view value, Document& document);
  Result<void> add(const MappingFile& file);
  Result<void> add_plain(const MappingFile& file, Format& format);
  Result<void> add_general(const MappingFile& file, Format& format);
  KeySet numbers_of(const std::vector<std::string>& keys);
  WalkLimits walk_limits() const { return {options.limits, options.events_max, topic->strict}; }
};

}  // namespace tidewaiter::ingest
