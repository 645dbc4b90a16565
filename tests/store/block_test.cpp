#include "store/block.hpp"

#include <gtest/gtest.h>

#include "store/int_column.hpp"
#include "store/intervals.hpp"
#include "store/string_column.hpp"
#include "tests/store/samples.hpp"

namespace tidewaiter::store {
namespace {

using namespace samples;

struct Encoded {
  std::string raw, cols;
};

Encoded encode(BlockEncoder& encoder, Batch& batch, std::uint64_t first_seq) {
  encoder.begin(5, first_seq, 0);
  for (std::uint32_t i = 0; i < batch.records.size(); ++i) {
    batch.records[i].log = 5;
    batch.records[i].seq = first_seq + i;
    encoder.add(batch.records[i], batch.events.data() + batch.records[i].first_event, 7, i * 2);
  }
  const EncodedBlock block = encoder.finish();
  return {std::string(block.raw), std::string(block.cols)};
}

std::string describe_records(const std::vector<Record>& records, const std::vector<Event>& events) {
  Commit commit;
  commit.records = records;
  commit.events = events;
  return describe(commit, true);
}

TEST(Block, random_records_and_events_come_back_as_they_were) {
  std::mt19937_64 random(11);
  BlockEncoder encoder(1);
  std::uint64_t offset = 0, seq = 1000;
  for (int round = 0; round < 60; ++round) {
    auto batch = random_batch(random, offset, 1 + random() % 200);
    const Encoded bytes = encode(encoder, *batch, seq);
    auto block = read_block(bytes.cols);
    ASSERT_TRUE(block) << block.error().message;
    ASSERT_TRUE(attach_bodies(*block, bytes.raw));
    ASSERT_EQ(describe_records(block->records, block->events), describe_records(batch->records, batch->events));
    for (std::uint32_t i = 0; i < block->records.size(); ++i) {
      EXPECT_EQ(block->commits[i], 7u);
      EXPECT_EQ(block->ordinals[i], i * 2);
    }
    seq += batch->records.size();
  }
}

TEST(Block, the_header_tells_the_times_without_decoding) {
  BlockEncoder encoder(1);
  auto batch = offsets(20, 30);
  const Encoded bytes = encode(encoder, *batch, 0);
  auto header = read_block_header(bytes.cols);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->records, 10u);
  EXPECT_EQ(header->min_time_ns, 1'700'000'020'000'000'000);
  EXPECT_EQ(header->max_time_ns, 1'700'000'029'000'000'000);
  EXPECT_EQ(header->min_receive_ns, header->max_receive_ns);
}

TEST(Block, a_flipped_or_missing_byte_is_an_error_or_harmless_and_never_a_crash) {
  std::mt19937_64 random(5);
  BlockEncoder encoder(1);
  std::uint64_t offset = 0;
  auto batch = random_batch(random, offset, 50);
  const Encoded bytes = encode(encoder, *batch, 0);
  for (int i = 0; i < 3000; ++i) {
    Encoded bad = bytes;
    std::string& part = i % 2 == 0 ? bad.cols : bad.raw;
    if (i % 7 == 0)
      part.resize(random() % part.size());
    else
      part[random() % part.size()] ^= static_cast<char>(1 << random() % 8);
    auto block = read_block(bad.cols);
    if (block) (void)attach_bodies(*block, bad.raw);
  }
}

TEST(Block, an_unknown_format_version_is_named) {
  BlockEncoder encoder(1);
  auto batch = offsets(0, 3);
  Encoded bytes = encode(encoder, *batch, 0);
  bytes.cols[0] = 9;
  auto block = read_block(bytes.cols);
  ASSERT_FALSE(block);
  EXPECT_EQ(block.error().code, Code::corruption);
  EXPECT_NE(block.error().message.find("version 9"), std::string::npos);
}

TEST(IntColumn, every_hint_gives_every_value_back) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::uint64_t> values(random() % 50);
    const std::uint64_t shift = random() % 64, base = random() >> random() % 64, kind = random() % 5;
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = kind == 0   ? base
                  : kind == 1 ? base + i * 3
                  : kind == 2 ? random() >> shift
                  : kind == 3 ? base + random() % 9 * 1'000'000u
                              : random() % 256;
    for (const IntHint hint : {IntHint::plain, IntHint::sorted, IntHint::time_ns}) {
      Bytes out;
      put_ints(out, values, hint);
      ByteReader in(out.view());
      std::vector<std::uint64_t> back;
      ASSERT_TRUE(get_ints(in, values.size(), back));
      ASSERT_TRUE(in.done());
      ASSERT_EQ(back, values);
    }
  }
}

/// The column reads back as these values, both ways.
void expect_back(const std::deque<std::string>& values, const Bytes& column, const Bytes& uncompressed) {
  ByteReader in(column.view()), rest(uncompressed.view());
  std::vector<std::string_view> back;
  UnpackedBytes unpacked;
  ASSERT_TRUE(get_strings(in, rest, values.size(), back, unpacked));
  ASSERT_TRUE(in.done());
  ASSERT_TRUE(rest.done());
  for (std::size_t i = 0; i < values.size(); ++i) ASSERT_EQ(back[i], values[i]);
  ByteReader again(column.view()), rest_again(uncompressed.view());
  StringIds ids;
  ASSERT_TRUE(get_string_ids(again, rest_again, values.size(), ids, unpacked));
  for (std::size_t i = 0; i < values.size(); ++i) ASSERT_EQ(ids.entries[ids.ids[i]], values[i]);
}

TEST(StringColumn, dictionary_plain_and_hexadecimal_forms_give_every_value_back) {
  std::mt19937_64 random(2);
  StringColumnWriter writer;
  for (int block = 0; block < 200; ++block) {
    writer.begin();
    std::deque<std::string> values;
    for (std::uint64_t i = 0, n = 1 + random() % 300; i < n; ++i) {
      std::string text;
      const std::uint64_t distinct = block % 3 == 0 ? 5 : 1'000'000'000;
      const std::uint64_t v = random() % distinct;
      for (std::uint64_t j = 0, size = block % 5 == 1 ? random() % 20 : 16; j < size; ++j)
        text += "0123456789abcdefg"[(v >> j % 8) % (block % 4 == 2 ? 17 : 16)];
      values.push_back(text);
      writer.add(values.back());
    }
    Bytes out, uncompressed;
    writer.finish(out, uncompressed);
    ASSERT_NO_FATAL_FAILURE(expect_back(values, out, uncompressed));
  }
}

TEST(StringColumn, heads_that_repeat_stand_apart_from_the_digits_behind_them) {
  std::mt19937_64 random(3);
  StringColumnWriter writer;
  int of_heads = 0;
  for (int block = 0; block < 64; ++block) {
    writer.begin();
    std::deque<std::string> values;
    for (std::uint64_t i = 0; i < 300; ++i) {
      std::string text = random() % 40 == 0 ? "" : "/apps/face" + std::to_string(random() % 7) + " ";
      for (std::uint64_t j = 0, size = block % 3 == 0 ? random() % 70 : 16; j < size; ++j)
        text += "0123456789abcdef"[random() % 16];
      values.push_back(text);
      writer.add(values.back());
    }
    Bytes out, uncompressed;
    writer.finish(out, uncompressed);
    const bool heads = out.view()[0] == 3;
    of_heads += heads;
    if (heads) {
      EXPECT_LT(out.size(), 300u * 3) << "heads once, ids and lengths";
    }
    ASSERT_NO_FATAL_FAILURE(expect_back(values, out, uncompressed));
  }
  EXPECT_GE(of_heads, 50) << "all but the first two and every sixteenth";
}

TEST(StringColumn, heads_that_no_store_wrote_are_refused) {
  const auto read = [](const Bytes& column, std::string_view digits, std::size_t count) {
    ByteReader in(column.view()), rest(digits);
    std::vector<std::string_view> back;
    UnpackedBytes unpacked;
    const bool is_read = get_strings(in, rest, count, back, unpacked);
    ByteReader again(column.view()), rest_again(digits);
    StringIds ids;
    EXPECT_EQ(get_string_ids(again, rest_again, count, ids, unpacked), is_read);
    return is_read;
  };
  // Two values of two heads; each has `lengths[i]` digits.
  const auto column = [](std::uint64_t entries, std::uint8_t width, std::uint8_t last_id, std::vector<std::uint64_t> lengths,
                         std::string_view head = "/a ") {
    Bytes out;
    out.u8(3);
    out.varint(entries);
    for (std::uint64_t i = 0; i < entries; ++i) out.string(head);
    out.u8(width);
    if (width != 0) {
      out.u8(0);
      out.u8(last_id);
    }
    put_ints(out, lengths, IntHint::plain);
    return out;
  };
  EXPECT_TRUE(read(column(2, 1, 1, {2, 2}), "\x12\x34", 2));
  EXPECT_TRUE(read(column(2, 1, 1, {0, 0}), "", 2));
  EXPECT_FALSE(read(column(0, 1, 0, {2, 2}), "\x12\x34", 2)) << "no entries";
  EXPECT_FALSE(read(column(2, 1, 2, {2, 2}), "\x12\x34", 2)) << "an entry that is not there";
  EXPECT_FALSE(read(column(2, 3, 1, {2, 2}), "\x12\x34", 2)) << "a width of three";
  EXPECT_FALSE(read(column(2, 1, 1, {2, 2}), "\x12", 2)) << "a byte of digits is missing";
  EXPECT_FALSE(read(column(2, 1, 1, {2, (std::uint64_t{1} << 32) + 1}), "\x12\x34", 2)) << "more digits than there can be";
  EXPECT_FALSE(read(column(1, 0, 0, std::vector<std::uint64_t>(20'000), std::string(65'535, 'h')), "", 20'000))
      << "a head of 64 KiB for each of 20,000 values";
}

TEST(IntervalSet, agrees_with_a_set_of_numbers) {
  std::mt19937_64 random(4);
  for (int round = 0; round < 200; ++round) {
    IntervalSet set;
    std::vector<bool> model(120);
    for (int i = 0; i < 30; ++i) {
      const std::uint64_t from = random() % 110, to = from + random() % 8;
      set.add(from, to);
      for (std::uint64_t n = from; n < to; ++n) model[n] = true;
    }
    std::uint64_t end = 0, ranges = 0;
    for (std::uint64_t n = 0; n < 120; ++n) {
      ASSERT_EQ(set.contains(n), model[n]);
      if (model[n]) end = n + 1;
      if (model[n] && (n == 0 || !model[n - 1])) ++ranges;
    }
    ASSERT_EQ(set.end(), end);
    ASSERT_EQ(set.range_count(), ranges);
    const std::uint64_t a = random() % 60, b = a + random() % 60;
    std::vector<bool> missing(120);
    for (const auto& [from, to] : set.missing(a, b))
      for (std::uint64_t n = from; n < to; ++n) missing[n] = true;
    for (std::uint64_t n = 0; n < 120; ++n) ASSERT_EQ(missing[n], n >= a && n < b && !model[n]);
  }
}

}  // namespace
}  // namespace tidewaiter::store
