// The inverted index of sealed segments against the columns.
#include <algorithm>

#include "core/column.hpp"
#include "core/text.hpp"
#include "store/keys.hpp"
#include "store/verify_context.hpp"

namespace tidewaiter::store {

namespace {

bool same_terms(const std::vector<IndexTerm>& a, const std::vector<IndexTerm>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const IndexTerm& x, const IndexTerm& y) { return x.term == y.term && x.records == y.records; });
}

/// Two encodings may differ in bytes, never in what they say.
bool says_the_same(std::string_view stored, std::string_view built) {
  if (stored == built) return true;
  const auto a = index_terms(stored), b = index_terms(built);
  return a && b && same_terms(*a, *b);
}

}  // namespace

IndexCheck::IndexCheck(VerifyContext& context, std::uint16_t log, std::uint8_t version)
    : context_(context), log_(log), version_(version) {
  const auto bytes = context.db.get(Cf::meta, sealed_key(log));
  const auto sealed = bytes && *bytes ? decode_number(**bytes) : Result<std::uint64_t>(std::uint64_t{0});
  const LogState& state = context.state.logs[log];
  if (sealed && *sealed <= state.tree.size && *sealed % context.state.segment_records == 0)
    sealed_ = *sealed;
  else if (version == 0)
    context.find(state, 0, 0, "meta", "the mark of what is sealed cannot be true");
  if (version == 0) check_beyond();
}

/// The mark moves with the index, so there is none behind it.
void IndexCheck::check_beyond() {
  const auto it = context_.db.iterate(Cf::index);
  it->seek(index_key(log_, sealed_, 0));
  if (it->valid() && it->key().size() >= index_key_size && get_be<std::uint16_t>(it->key().data()) == log_)
    context_.find(context_.state.logs[log_], sealed_, context_.state.logs[log_].tree.size, "index",
                  "there is an index of records that are not marked as sealed");
}

void IndexCheck::add(const Record& record, const Event* events) {
  if (record.seq >= sealed_) return;
  const std::uint64_t within = record.seq % context_.state.segment_records;
  if (within == 0) {
    builder_ = std::make_unique<SegmentIndexBuilder>();
    segment_ = record.seq;
  }
  if (!builder_) return;  // the walk began inside this segment
  for (std::uint32_t i = 0; i < record.event_count; ++i) builder_->add(static_cast<std::uint32_t>(within), events[i]);
  if (within + 1 == context_.state.segment_records) compare();
}

void IndexCheck::compare() {
  const std::vector<std::string> built = builder_->finish();
  builder_.reset();
  const LogState& log = context_.state.logs[log_];
  const std::uint64_t end = segment_ + context_.state.segment_records;
  for (std::size_t i = 0; i < built.size(); ++i) {
    const std::uint8_t column = indexed_columns()[i];
    const auto stored = context_.db.get(Cf::index, index_key(log_, segment_, column, version_));
    const std::string name(columns[column].name);
    if (!stored || !*stored)
      context_.find(log, segment_, end, "index", "the index of the column " + name + " is missing");
    else if (!says_the_same(**stored, built[i]))
      context_.find(log, segment_, end, "index", "the index of the column " + name + " does not say what the columns say");
  }
}

}  // namespace tidewaiter::store
