#include "ingest/plan_walker.hpp"

namespace tidewaiter::ingest {

namespace ondemand = simdjson::ondemand;

PlanWalker::PlanWalker(std::unique_ptr<Plan> plan) : plan_(std::move(plan)), steps_(plan_->nodes.size()) {
  for (std::uint32_t i = 0; i < steps_.size(); ++i) steps_[i] = step_of(i);
  for (const PlanNode& node : plan_->nodes)
    for (std::uint32_t i = 0; i < node.child_count; ++i) {
      steps_[node.first_child + i].bit = std::uint64_t{1} << i;
      if (i > 0) steps_[node.first_child + i - 1].next = &steps_[node.first_child + i];
    }
}

PlanWalker::Step PlanWalker::step_of(std::uint32_t number) {
  const PlanNode& node = plan_->nodes[number];
  Step step;
  step.key_bytes = node.key_bytes;
  step.key_mask = node.key_mask;
  step.node = number;
  if (node.child_count > 0) step.first = &steps_[node.first_child];
  step.leaves = plan_->leaves.data() + node.first_leaf;
  step.leaf_count = node.leaf_count;
  step.capture = node.capture;
  step.as_written = node.capture >= 0 && node.capture == plan_->base64_capture;
  step.plain = node.leaf_count == 1 && node.capture < 0 && step.leaves->as == Transform::copy &&
               !step.leaves->contested && !step.leaves->is_id && step.leaves->separator == 0;
  return step;
}

PlanWalker::Step* PlanWalker::look_up(std::uint32_t at, const char* key) {
  KeyText buffer;
  const std::uint32_t child = plan_->child(at, key_text(key, buffer));
  return child == Plan::none ? nullptr : &steps_[child];
}

void PlanWalker::put_all(const Step& step, std::string_view text, EventWriter& out) {
  for (std::uint32_t i = 0; i < step.leaf_count; ++i) out.put(step.leaves[i], text);
  if (step.capture >= 0) out.capture(step.capture, text);
}

void PlanWalker::scalar(std::string_view token, const Step& step, EventWriter& out) {
  if (is_json_number(token) || (is_json_literal(token) && token != "null"))
    put_all(step, token, out);
  else
    odd_ = odd_ || token != "null";
}

/// Only sets and joined words are read from arrays; other elements than strings do not count. What conditions ask for is
/// kept as a whole.
bool PlanWalker::array(ondemand::value& value, const Step& step, EventWriter& out) {
  const bool reads = step.leaf_count > 0 && (step.leaves->as == Transform::word_set || step.leaves->as == Transform::join_words);
  if (!reads && step.capture < 0) return true;
  ondemand::array elements;
  if (value.get_array().get(elements) != simdjson::SUCCESS) return false;
  if (step.capture >= 0) [[unlikely]] {
    std::string_view raw;
    bool is_there = false;
    if (elements.raw_json().get(raw) != simdjson::SUCCESS) return false;
    out.capture_list(step.capture, raw);
    if (!reads) return true;
    if (elements.reset().get(is_there) != simdjson::SUCCESS) return false;
  }
  const Leaf& leaf = *step.leaves;
  for (auto result : elements) {
    if (result.error() != simdjson::SUCCESS) return false;
    ondemand::value& element = result.value_unsafe();
    const std::string_view token = element.raw_json_token();
    if (!begins_value(token.data())) [[unlikely]] return false;
    if (token[0] == '"')
      out.put(leaf, string(token.data() + 1, out));
    else if (token[0] != '{' && token[0] != '[' && !is_json_number(trimmed(token)))
      odd_ = odd_ || !is_json_literal(trimmed(token));
  }
  return true;
}

/// The first character of a value decides what it is. Values that are not entered are skipped by the iterator.
bool PlanWalker::take(ondemand::value& value, Step& step, EventWriter& out) {
  const std::string_view token = value.raw_json_token();
  switch (token[0]) {
    case '"': {
      if (step.leaf_count == 0) {
        if (step.capture < 0) return true;
        if (step.as_written) {
          out.capture(step.capture, {token.data() + 1, string_extent(token.data() + 1).length});
          return true;
        }
      }
      const std::string_view text = string(token.data() + 1, out);
      if (step.plain && text.size() <= step.leaves->limit_bytes)
        out.set(static_cast<Str>(step.leaves->slot), text);
      else
        put_all(step, text, out);
      return true;
    }
    case '{': {
      if (step.capture >= 0) out.present(step.capture);
      if (step.first == nullptr) return true;
      auto inner = value.get_object();
      return inner.error() == simdjson::SUCCESS && object(inner.value_unsafe(), step, out);
    }
    case '[': return array(value, step, out);
    default: scalar(trimmed(token), step, out); return true;
  }
}

bool PlanWalker::object(ondemand::object& fields, Step& at, EventWriter& out) {
  std::uint64_t seen = 0;
  Step** guess = &at.first;
  for (auto result : fields) {
    if (result.error() != simdjson::SUCCESS) return false;
    ondemand::field& field = result.value_unsafe();
    const char* key = field.key().raw();
    Step* step = follow(*guess, key);
    if (step == nullptr) [[unlikely]] {
      step = look_up(at.node, key);
      if (step == nullptr) continue;
      *guess = step;
    }
    guess = &step->next;
    if ((seen & step->bit) != 0) [[unlikely]] {
      out.flag(flag::duplicate_key);  // the first one counts
      continue;
    }
    seen |= step->bit;
    if (!take(field.value(), *step, out)) return false;
  }
  return true;
}

}  // namespace tidewaiter::ingest
