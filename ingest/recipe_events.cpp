// RecipeWalker: cells, and the events that are made of them.
#include "ingest/recipe_walker.hpp"

namespace tidewaiter::ingest {

/// A cell that was filled by an alternative that counts less.
void RecipeWalker::replace(std::uint16_t number, const Cell& cell) {
  replaced_.push_back(cells_[number]);
  touched_.push_back(number | replaced_bit);
  cells_[number] = cell;
}

void RecipeWalker::forget(std::size_t mark) {
  const std::uint16_t* const first = touched_.data() + mark;
  for (const std::uint16_t* at = touched_.data() + touched_.size(); at > first;) {
    const std::uint16_t last = *--at;
    if ((last & replaced_bit) == 0) [[likely]] {
      cells_[last].kind = Cell::Kind::none;
      present_[last / 64] &= ~(std::uint64_t{1} << (last % 64));
    } else {
      cells_[last & ~replaced_bit] = replaced_.back();
      replaced_.pop_back();
    }
  }
  if (mark < touched_.size()) touched_.resize(mark);
}

/// What was met behind an event in what holds it says as much about it as what stood before.
void RecipeWalker::spread_flags(std::uint32_t events_before) {
  if (flags_ == 0) return;
  for (std::size_t left = result_.events - events_before; left > 0; --left) {
    Event& event = batch_->events[batch_->events.size() - left];
    event.set(Num::flags, event.get(Num::flags) | flags_);
  }
}

/// What holds other places is a wrapper when events stood in it. When there was only text in it that is no event, it is
/// the event itself, with that text.
void RecipeWalker::emit_holder(std::uint32_t at, std::uint32_t events_before) {
  if (result_.events != events_before) {
    const Location& location = recipe_->locations[static_cast<std::size_t>(insides_[at].location)];
    if (settled_ > events_before) return;
    if (!RecipeValues::fits(*recipe_, shape_of(location), cells_.data() + location.first_cell)) return;
    batch_->events.resize(batch_->events.size() - (result_.events - events_before));
    result_.events = events_before;
  }
  emit(at);
}

void RecipeWalker::emit(std::uint32_t at) {
  const Location& location = recipe_->locations[static_cast<std::size_t>(insides_[at].location)];
  const Cell* cells = cells_.data() + location.first_cell;
  const CellShape& shape = shape_of(location);
  if (!RecipeValues::fits(*recipe_, shape, cells)) {
    if (location.many) emit_unmapped(flag::wrapped);
    return;
  }
  if (result_.events >= limits_.events_max) {
    result_.too_many = true;
    return;
  }
  Event& event = batch_->events.emplace_back();
  event.sub = result_.events++;
  event.record = static_cast<std::uint32_t>(record_ - batch_->records.data());
  ++result_.fitting;
  settled_ = result_.events;
  values_.fill(*recipe_, shape, cells, *batch_, *record_, event, flags_ | (location.wrapped ? flag::wrapped : 0),
               explanation_);
  if (attestation_ && !recipe_->signatures.empty()) judge_signature(cells, event);
}

void RecipeWalker::judge_signature(const Cell* cells, Event& event) {
  const auto text = [cells](std::int32_t cell) {
    return cell < 0 || cells[cell].kind == Cell::Kind::none ? std::string_view() : cells[cell].text;
  };
  for (const SignaturePlaces& places : recipe_->signatures) {
    const SignedStatement statement{text(places.payload),   text(places.payload_type),     text(places.signatures),
                                    text(places.digest),    text(places.digest_algorithm), text(places.signature),
                                    text(places.material)};
    if (statement.payload.empty() && statement.digest.empty()) continue;
    const SignatureVerdict& verdict = attestation_->judge(statement, record_->receive_time_ns, event);
    if (verdict.status == SignatureStatus::verified && !verdict.identity.empty())
      values_.set_signer(*batch_, verdict.identity, event);
    return;
  }
}

void RecipeWalker::emit_unmapped(std::uint64_t flags) {
  if (result_.events >= limits_.events_max) {
    result_.too_many = true;
    return;
  }
  Event& event = batch_->events.emplace_back();
  EventWriter::unmapped(*record_, event);
  event.set(Num::flags, flags_ | flags);
  event.sub = result_.events++;
  event.record = static_cast<std::uint32_t>(record_ - batch_->records.data());
}

}  // namespace tidewaiter::ingest
