#include "ingest/event_writer.hpp"

#include <algorithm>
#include <cstring>

#include "core/secret.hpp"
#include "ingest/host_name.hpp"
#include "ingest/json_text.hpp"

namespace tidewaiter::ingest {
namespace {

constexpr std::int64_t year_2000_ns = 946'684'800'000'000'000;
constexpr std::int64_t day_ns = 86'400'000'000'000;

/// The part between separators; "" when there are not so many. Up to 31 bytes behind the text are read.
std::string_view segment_of(std::string_view text, char separator, unsigned segment) {
  std::size_t begin = 0;
#if defined(__AVX2__)
  const __m256i wanted = _mm256_set1_epi8(separator);
  for (std::size_t at = 0; at < text.size(); at += 32) {
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text.data() + at));
    auto found = static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, wanted)));
    if (text.size() - at < 32) found &= (1u << (text.size() - at)) - 1;
    for (; found != 0; found &= found - 1) {
      const std::size_t end = at + static_cast<std::size_t>(__builtin_ctz(found));
      if (segment-- == 0) return text.substr(begin, end - begin);
      begin = end + 1;
    }
  }
#else
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != separator) continue;
    if (segment-- == 0) return text.substr(begin, at - begin);
    begin = at + 1;
  }
#endif
  return segment == 0 ? text.substr(begin) : std::string_view();
}

void set_number(Event& event, Num column, std::int64_t value) { event.set(column, static_cast<std::uint64_t>(value)); }

}  // namespace

void EventWriter::begin(Batch& batch, const Plan& plan, Event& event) {
  batch_ = &batch;
  plan_ = &plan;
  event_ = &event;
  flags_ = 0;
  broken_ = false;
  captured_ = present_ = lists_ = 0;
  offered_ = 0;
}

/// Bytes for derived text: behind the bodies while the arena has room, else in a string of its own.
char* EventWriter::derive(Batch& batch, std::size_t size) {
  if (char* place = batch.arena.reserve(size)) return place;
  batch.keep(std::string(size + Arena::padding_bytes, '\0'));
  return batch.strings.back().data();
}

void EventWriter::begin(Batch& batch, Event& event, std::uint64_t flags) {
  batch_ = &batch;
  event_ = &event;
  flags_ = flags;
}

std::string_view EventWriter::unescaped(std::string_view inside_quotes) {
  char* out = derive(inside_quotes.size());
  const Unescaped made = unescape_json(inside_quotes, out);
  if (made.replaced) flags_ |= flag::bad_utf8_replaced;
  broken_ = broken_ || made.broken;
  return {out, made.length};
}

/// The order of keys in the message must not matter, not even for flags: so only the winner is converted.
void EventWriter::settle_contests() {
  for (const Contest& contest : plan_->contests)
    for (unsigned i = contest.first; i < unsigned{contest.first} + contest.count; ++i)
      if ((offered_ >> i & 1) != 0 && convert(plan_->offers[i], offers_[i])) break;
}

bool EventWriter::convert(const Leaf& leaf, std::string_view text) {
  if (leaf.separator != 0) {
    text = segment_of(text, leaf.separator, leaf.segment);
    if (text.empty()) return false;
  }
  if (leaf.is_id) text = without_secrets(text, leaf.limit_bytes);
  switch (leaf.as) {
    case Transform::copy: case Transform::lower: case Transform::host: return put_string(leaf, text);
    case Transform::word: {
      // A word that the table does not know is its 'other' or 'unknown', and still said.
      const auto number = leaf.words->find(text);
      event_->set(static_cast<Num>(leaf.slot), number.value_or(0));
      return true;
    }
    case Transform::word_set: return add_word(leaf, text);
    case Transform::join_words: return append_word(leaf, text);
    case Transform::uint: return put_unsigned(leaf, text);
    case Transform::time: return put_time(leaf, text);
    case Transform::ip:
      if (const auto address = read_ip(text)) {
        event_->set(static_cast<Addr>(leaf.slot), address->ip);
        if (address->leading_zeros) flags_ |= flag::leading_zeros;
        return true;
      }
      return false;
  }
  return false;
}

/// Each credential in it as the SHA-256 of it. A hash that the column has no room for is left out, with what follows.
std::string_view EventWriter::without_secrets(std::string_view text, std::size_t limit_bytes) {
  constexpr std::string_view name = "sha256:";
  std::string_view secret = secret_in_id(text);
  if (secret.empty()) return text;
  flags_ |= flag::hashed_secret;
  char* const out = derive(limit_bytes + 1);  // one more tells that it was longer
  std::size_t used = 0;
  const auto copy = [&](std::string_view part) {
    const std::size_t size = std::min(part.size(), limit_bytes + 1 - used);
    std::copy_n(part.data(), size, out + used);
    used += size;
  };
  for (; !secret.empty(); secret = secret_in_id(text)) {
    const auto before = static_cast<std::size_t>(secret.data() - text.data());
    copy(text.substr(0, before));
    if (used + name.size() + 2 * sizeof(Hash) > limit_bytes) {
      flags_ |= flag::truncated_column;
      return {out, used};
    }
    copy(name);
    for (const std::uint8_t byte : hash_.digest(secret)) {
      out[used++] = "0123456789abcdef"[byte >> 4];
      out[used++] = "0123456789abcdef"[byte & 15];
    }
    text.remove_prefix(before + secret.size());
  }
  copy(text);
  return {out, used};
}

bool EventWriter::put_string(const Leaf& leaf, std::string_view text) {
  if (leaf.as == Transform::host && host_needs_work(text)) {
    text = normal_host(text, derive(host_room(text)));
  } else if (leaf.as == Transform::lower && has_upper(text)) {
    char* out = derive(text.size());
    text = {out, lower_ascii(text, out)};
  }
  if (text.size() > leaf.limit_bytes) {
    text = cut_utf8(text, leaf.limit_bytes);
    flags_ |= flag::truncated_column;
  }
  event_->set(static_cast<Str>(leaf.slot), text);
  return true;
}

bool EventWriter::put_time(const Leaf& leaf, std::string_view text) {
  const auto time = times_.read(text, leaf.form);
  if (!time || *time < 0) {  // columns count from 1970; earlier is nonsense for an event
    const bool is_text = leaf.form == TimeForm::rfc3339 || leaf.form == TimeForm::civil;
    return is_text ? false : lost_number(text);
  }
  set_number(*event_, static_cast<Num>(leaf.slot), *time);
  return true;
}

bool EventWriter::put_unsigned(const Leaf& leaf, std::string_view text) {
  const auto number = read_unsigned(text);
  if (!number || number->value > leaf.max) return lost_number(text);
  if (number->lossy) flags_ |= flag::lossy_number;
  event_->set(static_cast<Num>(leaf.slot), number->value);
  return true;
}

/// A number that its column cannot hold is no value, and said so; another text is just no number.
bool EventWriter::lost_number(std::string_view text) {
  if (is_json_number(text)) flags_ |= flag::lossy_number;
  return false;
}

bool EventWriter::add_word(const Leaf& leaf, std::string_view text) {
  const auto column = static_cast<Num>(leaf.slot);
  event_->set(column, event_->get(column) | std::uint64_t{1} << leaf.words->find(text).value_or(0));
  return true;
}

bool EventWriter::append_word(const Leaf& leaf, std::string_view text) {
  const auto column = static_cast<Str>(leaf.slot);
  const std::string_view before = event_->get(column);
  if (before.empty()) return put_string(leaf, text);
  if (before.size() + 1 + text.size() > leaf.limit_bytes) {
    flags_ |= flag::truncated_column;
    return true;
  }
  char* out = derive(before.size() + 1 + text.size());
  std::memcpy(out, before.data(), before.size());
  out[before.size()] = ' ';
  std::memcpy(out + before.size() + 1, text.data(), text.size());
  event_->set(column, {out, before.size() + 1 + text.size()});
  return true;
}

bool EventWriter::in_list(std::size_t number, std::string_view start) const {
  return (lists_ >> number & 1) != 0 &&
         any_value(captures_[number], [start](std::string_view value) { return value.starts_with(start); });
}

void EventWriter::join(const Join& join) {
  if (event_->has(join.column)) return;
  for (const Guard& guard : join.when) {
    const bool begins = (captured_ >> guard.capture & 1) != 0 ? captures_[guard.capture].starts_with(guard.start)
                                                              : in_list(guard.capture, guard.start);
    if (begins == guard.negated) return;
  }
  std::size_t size = join.captures.size() - 1;
  for (const std::uint8_t number : join.captures) {
    if ((captured_ >> number & 1) == 0) return;
    size += captures_[number].size();
  }
  char* const out = derive(size);
  char* at = out;
  for (const std::uint8_t number : join.captures) {
    if (number != join.captures.front()) *at++ = ' ';
    std::memcpy(at, captures_[number].data(), captures_[number].size());
    at += captures_[number].size();
  }
  convert(join.leaf, {out, size});
}

// Time of the event, else of its reception; outside 2000 .. reception + 1 day it is not believed.
void EventWriter::settle_time(const Record& record) {
  Event& event = *event_;
  const std::int64_t received = record.receive_time_ns;
  if (!event.has(Num::observed_time)) set_number(event, Num::observed_time, received);
  if (!event.has(Num::time)) {
    set_number(event, Num::time, received);
    event.set(Num::time_quality, static_cast<std::uint64_t>(TimeQuality::receive));
  } else if (event.time_ns() < year_2000_ns || event.time_ns() > received + day_ns) {
    set_number(event, Num::time, received);
    event.set(Num::time_quality, static_cast<std::uint64_t>(TimeQuality::skewed));
    flags_ |= flag::clock_skew;
  } else if (!event.has(Num::time_quality)) {
    event.set(Num::time_quality, static_cast<std::uint64_t>(TimeQuality::exact));
  }
}

void EventWriter::finish(const Record& record) {
  settle_contests();
  for (const Join& one : plan_->joins) join(one);
  finish(record, plan_->defaults, plan_->number, plan_->version);
}

void EventWriter::finish(const Record& record, const std::vector<Default>& defaults, std::uint16_t number,
                         std::uint16_t version) {
  if (event_->has(Str::principal) && event_->get(Str::principal).empty()) event_->clear(Str::principal);
  if (event_->has(Str::on_behalf_of) && event_->has(Str::principal) &&
      event_->get(Str::on_behalf_of) == event_->get(Str::principal))
    event_->clear(Str::on_behalf_of);  // who acts for himself acts for nobody
  for (const Default& one : defaults) {
    if (one.kind == ColumnKind::string) {
      if (!event_->has(static_cast<Str>(one.slot))) event_->set(static_cast<Str>(one.slot), one.text);
    } else if (!event_->has(static_cast<Num>(one.slot))) {
      event_->set(static_cast<Num>(one.slot), one.number);
    }
  }
  settle_time(record);
  event_->set(Num::format, number);
  event_->set(Num::mapping_version, version);
  if (flags_ != 0) event_->set(Num::flags, flags_);
}

void EventWriter::unmapped(const Record& record, Event& event) {
  set_number(event, Num::time, record.receive_time_ns);
  set_number(event, Num::observed_time, record.receive_time_ns);
  event.set(Num::time_quality, static_cast<std::uint64_t>(TimeQuality::receive));
  event.set(Num::class_uid, 0);
  event.set(Num::family, static_cast<std::uint64_t>(Family::other));
}

}  // namespace tidewaiter::ingest
