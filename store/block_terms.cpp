#include "store/block_terms.hpp"

#include <algorithm>
#include <vector>

#include "store/block_format.hpp"
#include "store/int_column.hpp"
#include "store/string_column.hpp"

namespace tidewaiter::store {

using namespace block_format;

namespace {

/// What a TermReader works in, kept from block to block.
struct Scratch {
  std::vector<std::uint64_t> ints, counts, shape_of_event;
  std::vector<std::uint32_t> seq_of_event, some;
  std::vector<Shape> shapes;
  StringIds strings;
  UnpackedBytes unpacked;
};

/// Walks through the payload of a block in the order in which it was written.
class TermReader {
 public:
  TermReader(const BlockHeader& header, const ColumnParts& parts, std::uint64_t segment_first,
             SegmentIndexBuilder& index, Scratch& scratch)
      : header_(header),
        in_(parts.payload.view),
        uncompressed_(parts.uncompressed),
        first_(header.first_seq - segment_first),
        index_(index),
        ints_(scratch.ints),
        counts_(scratch.counts),
        shape_of_event_(scratch.shape_of_event),
        seq_of_event_(scratch.seq_of_event),
        some_(scratch.some),
        shapes_(scratch.shapes),
        strings_(scratch.strings),
        unpacked_(scratch.unpacked) {
    seq_of_event_.clear();
    unpacked_.clear();
  }

  bool read() {
    if (!skip_sources() || !record_columns() || !shapes()) return false;
    for (std::size_t c = 0; c < str_count; ++c)
      if ((strings_seen_ >> c & 1) && !string_column(c, of_strings(c))) return false;
    for (std::size_t c = 0; c < num_count; ++c)
      if ((numbers_seen_ >> c & 1) && !number_column(c)) return false;
    for (std::size_t c = num_count; c < num_count + addr_count; ++c)
      if ((numbers_seen_ >> c & 1) && !string_column(str_count + c, of_numbers(c))) return false;
    return in_.done() && uncompressed_.done();
  }

 private:
  bool skip_sources() {
    const std::uint64_t count = in_.varint();
    for (std::uint64_t i = 0; in_.ok() && i < count; ++i) {
      in_.string();
      in_.bytes(16);
      in_.string();
      in_.varint();
    }
    return in_.ok();
  }

  bool record_columns() {
    for (std::size_t c = 0; c < record_column_count; ++c) {
      if (!get_ints(in_, header_.records, ints_)) return false;
      if (c == event_count) counts_ = ints_;
    }
    std::uint64_t events = 0;
    for (const std::uint64_t n : counts_) events += n;
    if (events != header_.events) return false;
    seq_of_event_.reserve(events);
    for (std::size_t r = 0; r < counts_.size(); ++r)
      seq_of_event_.insert(seq_of_event_.end(), counts_[r], static_cast<std::uint32_t>(first_ + r));
    return true;
  }

  bool shapes() {
    const std::uint64_t count = in_.varint();
    if (count > in_.left() / 16) return false;
    shapes_.resize(count);
    for (Shape& shape : shapes_) {
      shape.strings = in_.fixed<std::uint64_t>();
      shape.numbers = in_.fixed<std::uint64_t>();
      strings_seen_ |= shape.strings;
      numbers_seen_ |= shape.numbers;
    }
    if ((strings_seen_ & ~all_strings) != 0 || (numbers_seen_ & ~all_numbers) != 0) return false;
    if (!get_ints(in_, header_.events, shape_of_event_)) return false;
    for (const std::uint64_t shape : shape_of_event_)
      if (shape >= shapes_.size()) return false;
    return get_ints(in_, header_.events, ints_);  // subs
  }

  /// Sequence numbers of the events that have a column, one an event.
  const std::vector<std::uint32_t>& of(std::uint64_t Shape::*presence, std::size_t bit) {
    const auto has = [&](const Shape& shape) { return (shape.*presence >> bit & 1) != 0; };
    if (std::all_of(shapes_.begin(), shapes_.end(), has)) return seq_of_event_;
    some_.clear();
    for (std::size_t i = 0; i < shape_of_event_.size(); ++i)
      if (has(shapes_[shape_of_event_[i]])) some_.push_back(seq_of_event_[i]);
    return some_;
  }
  const std::vector<std::uint32_t>& of_strings(std::size_t bit) { return of(&Shape::strings, bit); }
  const std::vector<std::uint32_t>& of_numbers(std::size_t bit) { return of(&Shape::numbers, bit); }

  bool string_column(std::size_t number, const std::vector<std::uint32_t>& seqs) {
    if (!get_string_ids(in_, uncompressed_, seqs.size(), strings_, unpacked_)) return false;
    if (is_indexed(static_cast<std::uint8_t>(number)))
      index_.add(static_cast<std::uint8_t>(number), strings_.entries, strings_.ids, seqs);
    return true;
  }

  bool number_column(std::size_t c) {
    const auto& seqs = of_numbers(c);
    if (!get_ints(in_, seqs.size(), ints_)) return false;
    const auto number = static_cast<std::uint8_t>(str_count + c);
    if (!is_indexed(number)) return true;
    static constexpr auto words = [] {
      std::array<char, 256> all{};
      for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<char>(i);
      return all;
    }();
    strings_.entries.clear();
    for (const char& word : words) strings_.entries.emplace_back(&word, 1);
    strings_.ids.resize(ints_.size());
    for (std::size_t i = 0; i < ints_.size(); ++i) strings_.ids[i] = static_cast<std::uint8_t>(ints_[i]);
    index_.add(number, strings_.entries, strings_.ids, seqs);
    return true;
  }

  const BlockHeader& header_;
  ByteReader in_, uncompressed_;
  const std::uint64_t first_;
  SegmentIndexBuilder& index_;
  std::vector<std::uint64_t>&ints_, &counts_, &shape_of_event_;
  std::vector<std::uint32_t>&seq_of_event_, &some_;
  std::vector<Shape>& shapes_;
  std::uint64_t strings_seen_ = 0, numbers_seen_ = 0;
  StringIds& strings_;
  UnpackedBytes& unpacked_;
};

}  // namespace

Result<void> index_block(std::string_view cols, std::uint64_t segment_first, SegmentIndexBuilder& index) {
  TRY_ASSIGN(const Columns columns_read, get_columns(cols));
  thread_local Scratch scratch;
  if (!TermReader(columns_read.header, columns_read.parts, segment_first, index, scratch).read())
    return fail(Code::corruption, "block cols: the columns are wrong");
  return {};
}

}  // namespace tidewaiter::store
