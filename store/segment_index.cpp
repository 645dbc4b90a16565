#include "store/segment_index.hpp"

#include <algorithm>
#include <cstring>

#include "core/check.hpp"
#include "store/bytes.hpp"

namespace tidewaiter::store {
namespace {

constexpr std::uint8_t format_version = 1;
constexpr std::uint32_t no_term = ~std::uint32_t{0};

constexpr std::uint8_t number_of(Str column) { return static_cast<std::uint8_t>(column); }
constexpr std::uint8_t number_of(Num column) {
  return static_cast<std::uint8_t>(str_count + static_cast<std::size_t>(column));
}
constexpr std::uint8_t number_of(Addr column) {
  return static_cast<std::uint8_t>(str_count + num_count + static_cast<std::size_t>(column));
}

std::uint64_t hash_of(std::string_view text) { return std::hash<std::string_view>()(text); }

}  // namespace

const std::vector<std::uint8_t>& indexed_columns() {
  static const std::vector<std::uint8_t> list = [] {
    std::vector<std::uint8_t> all{number_of(Str::principal),  number_of(Str::app),          number_of(Str::role),
                                  number_of(Str::tenant),     number_of(Str::dst_host),     number_of(Str::operation),
                                  number_of(Str::agent_uid),  number_of(Str::capability_uid), number_of(Str::tool_name),
                                  number_of(Str::approval_id), number_of(Str::session),     number_of(Str::rule),
                                  number_of(Num::action),     number_of(Addr::dst_ip)};
    std::sort(all.begin(), all.end());
    return all;
  }();
  return list;
}

bool is_indexed(std::uint8_t column) {
  return std::binary_search(indexed_columns().begin(), indexed_columns().end(), column);
}

/// Terms of one column: an open-addressing table. Texts and postings of all terms lie in two buffers: the postings of a
/// term in pieces, each twice as large as the one before it.
struct SegmentIndexBuilder::Column {
  static constexpr std::uint32_t piece_bytes_min = 16, piece_bytes_max = 1024;
  struct Term {
    std::uint64_t hash;
    std::uint32_t text, text_size;
    std::uint32_t last = 0, postings = 0;
    std::uint32_t bytes = 0;               // of the postings
    std::uint32_t first_piece, piece = 0;  // where the first and the last one begin in `pieces`
    std::uint32_t used = 0, room = 0;      // of the last one
  };
  /// A piece: where the next one begins, u32, then the bytes.
  static constexpr std::size_t link_bytes = sizeof(std::uint32_t);

  std::uint8_t number = 0;
  std::vector<Term> terms;
  Bytes texts, pieces;
  std::vector<std::uint32_t> slots = std::vector<std::uint32_t>(1024);  // term + 1, 0 = free
  std::uint32_t last_hit = no_term;

  std::string_view text_of(const Term& term) const { return texts.view().substr(term.text, term.text_size); }
  void grow() {
    slots.assign(slots.size() * 2, 0);
    for (std::uint32_t i = 0; i < terms.size(); ++i) slots[free_slot(terms[i].hash)] = i + 1;
  }
  std::size_t free_slot(std::uint64_t hash) const {
    std::size_t at = hash & (slots.size() - 1);
    while (slots[at] != 0) at = (at + 1) & (slots.size() - 1);
    return at;
  }
  std::uint32_t find(std::string_view text) {
    if (last_hit != no_term && text_of(terms[last_hit]) == text) return last_hit;
    const std::uint64_t hash = hash_of(text);
    for (std::size_t at = hash & (slots.size() - 1); slots[at] != 0; at = (at + 1) & (slots.size() - 1)) {
      const Term& term = terms[slots[at] - 1];
      if (term.hash == hash && text_of(term) == text) return last_hit = slots[at] - 1;
    }
    if (terms.size() * 2 >= slots.size()) grow();
    Term term;
    term.hash = hash;
    term.text = static_cast<std::uint32_t>(texts.size());
    term.text_size = static_cast<std::uint32_t>(text.size());
    texts.bytes(text);
    term.first_piece = begin_piece(term, piece_bytes_min);
    terms.push_back(term);
    slots[free_slot(hash)] = static_cast<std::uint32_t>(terms.size());
    return last_hit = static_cast<std::uint32_t>(terms.size() - 1);
  }
  void add(std::string_view text, std::uint32_t seq) { post(terms[find(text)], seq); }
  void post(Term& term, std::uint32_t seq) {
    if (term.postings != 0 && term.last == seq) return;
    char step[varint_size_max];
    const auto size = static_cast<std::uint32_t>(put_varint(step, seq - term.last) - step);
    for (std::uint32_t i = 0; i < size; ++i) put(term, step[i]);
    term.bytes += size;
    term.last = seq;
    term.postings += 1;
  }
  void put(Term& term, char byte) {
    if (term.used == term.room) {
      const std::uint32_t before = term.piece, room = std::min(term.room * 2, piece_bytes_max);
      const std::uint32_t next = begin_piece(term, room);
      std::memcpy(pieces.data() + before, &next, sizeof next);
    }
    pieces.data()[term.piece + link_bytes + term.used++] = byte;
  }
  std::uint32_t begin_piece(Term& term, std::uint32_t room) {
    CHECK(pieces.size() + link_bytes + room <= UINT32_MAX);
    term.piece = static_cast<std::uint32_t>(pieces.size());
    term.used = 0;
    term.room = room;
    std::memset(pieces.grow(link_bytes + room), 0, link_bytes);
    return term.piece;
  }
  void append_postings(const Term& term, Bytes& out) const {
    const char* const all = pieces.view().data();
    std::uint32_t piece = term.first_piece, left = term.bytes;
    for (std::uint32_t room = piece_bytes_min; left > 0; room = std::min(room * 2, piece_bytes_max)) {
      const std::uint32_t here = std::min(left, room);
      out.bytes({all + piece + link_bytes, here});
      left -= here;
      std::memcpy(&piece, all + piece, sizeof piece);
    }
  }
};

SegmentIndexBuilder::SegmentIndexBuilder() {
  for (const std::uint8_t number : indexed_columns()) {
    columns_.push_back(std::make_unique<Column>());
    columns_.back()->number = number;
  }
}
SegmentIndexBuilder::~SegmentIndexBuilder() = default;

void SegmentIndexBuilder::add(std::uint32_t seq, const Event& event) {
  for (const auto& column : columns_) {
    const std::size_t number = column->number;
    if (number < str_count) {
      if (event.strings_present >> number & 1) column->add(event.strings[number], seq);
      continue;
    }
    const std::size_t bit = number - str_count;
    if ((event.numbers_present >> bit & 1) == 0) continue;
    if (bit < num_count) {
      const char word = static_cast<char>(event.numbers[bit]);
      column->add({&word, 1}, seq);
    } else {
      const Ip& ip = event.addresses[bit - num_count];
      column->add({reinterpret_cast<const char*>(ip.data()), ip.size()}, seq);
    }
  }
}

void SegmentIndexBuilder::add(std::uint8_t number, const std::vector<std::string_view>& entries,
                              const std::vector<std::uint32_t>& ids, const std::vector<std::uint32_t>& seqs) {
  const auto place = std::lower_bound(indexed_columns().begin(), indexed_columns().end(), number);
  CHECK(place != indexed_columns().end() && *place == number && ids.size() == seqs.size());
  Column& column = *columns_[static_cast<std::size_t>(place - indexed_columns().begin())];
  term_of_entry_.assign(entries.size(), no_term);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    std::uint32_t& term = term_of_entry_[ids[i]];
    if (term == no_term) term = column.find(entries[ids[i]]);
    column.post(column.terms[term], seqs[i]);
  }
}

std::vector<std::string> SegmentIndexBuilder::finish() {
  std::vector<std::string> values;
  for (const auto& column : columns_) {
    std::vector<const Column::Term*> sorted;
    for (const Column::Term& term : column->terms) sorted.push_back(&term);
    std::sort(sorted.begin(), sorted.end(),
              [&](const auto* a, const auto* b) { return column->text_of(*a) < column->text_of(*b); });
    Bytes out;
    out.u8(format_version);
    out.varint(sorted.size());
    for (const Column::Term* term : sorted) {
      out.string(column->text_of(*term));
      out.varint(term->postings);
      out.varint(term->bytes);
    }
    for (const Column::Term* term : sorted) column->append_postings(*term, out);
    values.push_back(out.str());
  }
  return values;
}

namespace {

struct Entry {
  std::string_view term;
  std::uint64_t postings, bytes;
};

Error wrong() { return fail(Code::corruption, "index: a value cannot be decoded"); }

Result<std::vector<std::uint32_t>> read_postings(std::string_view bytes, std::uint64_t count) {
  ByteReader in(bytes);
  if (count > bytes.size()) return wrong();
  std::vector<std::uint32_t> out(count);
  std::uint64_t last = 0;
  for (std::uint32_t& seq : out) seq = static_cast<std::uint32_t>(last += in.varint());
  if (!in.done()) return wrong();
  return out;
}

/// Calls take(entry, offset of its postings from their start) for each term until it says stop; then yields the
/// reader at the start of the postings.
template <class Take>
bool each_entry(ByteReader& in, Take&& take) {
  if (in.u8() != format_version) return false;
  const std::uint64_t terms = in.varint();
  std::uint64_t offset = 0;
  for (std::uint64_t i = 0; in.ok() && i < terms; ++i) {
    Entry entry{};
    entry.term = in.string();
    entry.postings = in.varint();
    entry.bytes = in.varint();
    if (entry.bytes > in.left() || offset > in.left()) return false;
    take(entry, offset);
    offset += entry.bytes;
  }
  return in.ok() && in.left() == offset;
}

}  // namespace

Result<std::vector<std::uint32_t>> index_lookup(std::string_view value, std::string_view term) {
  ByteReader in(value);
  std::optional<Entry> found;
  std::uint64_t at = 0;
  const bool right = each_entry(in, [&](const Entry& entry, std::uint64_t offset) {
    if (entry.term != term) return;
    found = entry;
    at = offset;
  });
  if (!right) return wrong();
  if (!found) return std::vector<std::uint32_t>();
  const std::string_view postings = in.bytes(in.left());
  return read_postings(postings.substr(at, found->bytes), found->postings);
}

Result<std::vector<IndexTerm>> index_terms(std::string_view value) {
  ByteReader in(value);
  std::vector<std::pair<Entry, std::uint64_t>> entries;
  if (!each_entry(in, [&](const Entry& entry, std::uint64_t offset) { entries.emplace_back(entry, offset); }))
    return wrong();
  const std::string_view postings = in.bytes(in.left());
  std::vector<IndexTerm> out;
  for (const auto& [entry, offset] : entries) {
    TRY_ASSIGN(auto records, read_postings(postings.substr(offset, entry.bytes), entry.postings));
    out.push_back({entry.term, std::move(records)});
  }
  return out;
}

}  // namespace tidewaiter::store
