// EventWriter: puts texts and tokens of one document into the columns of one event, by the leaves of a plan.
// Owned by one Parser; begin() for each event, then put() per value found, then finish().
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "core/record.hpp"
#include "core/sha256.hpp"
#include "ingest/plan.hpp"
#include "ingest/values.hpp"

namespace tidewaiter::ingest {

class EventWriter {
 public:
  void begin(Batch& batch, const Plan& plan, Event& event);

  /// A string of JSON, still escaped or not. The view must live as long as the batch.
  std::string_view text_of(std::string_view inside_quotes, bool escaped) {
    return escaped ? unescaped(inside_quotes) : inside_quotes;
  }
  /// A string's text, or a number or boolean as it stands.
  void put(const Leaf& leaf, std::string_view text) {
    if (leaf.contested) {
      offers_[leaf.offer] = text;
      offered_ |= std::uint64_t{1} << leaf.offer;
    } else {
      convert(leaf, text);
    }
  }
  /// A text that is known to fit its column as it is.
  void set(Str column, std::string_view text) { event_->set(column, text); }
  void set(Num column, std::uint64_t number) { event_->set(column, number); }
  void capture(std::int32_t number, std::string_view text) {
    captures_[static_cast<std::size_t>(number)] = text;
    captured_ |= 1u << number;
  }
  /// "" when nothing was.
  std::string_view captured(std::int32_t number) const {
    return (captured_ >> number & 1) != 0 ? captures_[static_cast<std::size_t>(number)] : std::string_view();
  }
  /// A list stands there: a condition asks each of its values.
  void capture_list(std::int32_t number, std::string_view list) {
    captures_[static_cast<std::size_t>(number)] = list;
    present_ |= 1u << number;
    lists_ |= 1u << number;
  }
  /// Something without a text stands there.
  void present(std::int32_t number) { present_ |= 1u << number; }
  /// A text had something in it that is no escape of JSON.
  bool broken() const { return broken_; }
  void flag(std::uint64_t bits) { flags_ |= bits; }

  /// For events whose values were gathered elsewhere (ingest/recipe.hpp): begin, then offer() texts, then finish.
  void begin(Batch& batch, Event& event, std::uint64_t flags);
  /// False: this text gives the column no value.
  bool offer(const Leaf& leaf, std::string_view text) {
    if (leaf.as != Transform::copy || leaf.separator != 0 || leaf.is_id || text.size() > leaf.limit_bytes)
      return convert(leaf, text);
    event_->set(static_cast<Str>(leaf.slot), text);
    return true;
  }
  void finish(const Record& record, const std::vector<Default>& defaults, std::uint16_t number, std::uint16_t version);

  /// Room for derived text that lives as long as the batch; Arena::padding_bytes may be read behind it.
  static char* derive(Batch& batch, std::size_t size);

  /// Joins, defaults, and the rules of time, for the record that the event came from.
  void finish(const Record& record);
  bool is_of_format() const {
    if (((captured_ | present_) & plan_->required_captures) != plan_->required_captures) return false;
    for (const Foreign& other : plan_->foreign) {
      if ((captured_ >> other.capture & 1) == 0) {
        if (lists_ != 0 && in_list(other.capture, other.start)) [[unlikely]] return false;
        continue;
      }
      const std::string_view text = captures_[other.capture];
      if (!text.empty() && text[0] == other.start[0] && text.starts_with(other.start)) return false;
    }
    return true;
  }

  /// The event of a record whose shape nobody knows: times only.
  static void unmapped(const Record& record, Event& event);

 private:
  /// A value of the captured list begins like this.
  bool in_list(std::size_t number, std::string_view start) const;
  std::string_view unescaped(std::string_view inside_quotes);
  void settle_contests();
  bool convert(const Leaf& leaf, std::string_view text);
  std::string_view without_secrets(std::string_view text, std::size_t limit_bytes);
  bool put_string(const Leaf& leaf, std::string_view text);
  bool put_time(const Leaf& leaf, std::string_view text);
  bool put_unsigned(const Leaf& leaf, std::string_view text);
  bool lost_number(std::string_view text);
  bool add_word(const Leaf& leaf, std::string_view text);
  bool append_word(const Leaf& leaf, std::string_view text);
  char* derive(std::size_t size) { return derive(*batch_, size); }
  void join(const Join& join);
  void settle_time(const Record& record);

  Batch* batch_ = nullptr;
  const Plan* plan_ = nullptr;
  Event* event_ = nullptr;
  std::uint64_t flags_ = 0;
  bool broken_ = false;
  std::uint32_t captured_ = 0, present_ = 0, lists_ = 0;
  std::array<std::string_view, Plan::captures_max> captures_;
  std::uint64_t offered_ = 0;
  std::array<std::string_view, Plan::offers_max> offers_;
  TimeReader times_;
  Sha256 hash_;
};

}  // namespace tidewaiter::ingest
