#include "forward/receipt.hpp"

#include <nlohmann/json.hpp>

#include "core/text.hpp"

namespace tidewaiter::forward {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t excerpt_bytes_max = 1024;

Json place_of(const Item& item) {
  return {{"uid", item.uid}, {"log", item.log}, {"seq", item.seq}, {"sub", item.sub}, {"commit", item.place.commit}};
}

void add_columns(OwnRecord& record, const Settled& settled, std::string_view connector, const char* operation) {
  record.strings = std::make_shared<std::deque<std::string>>();
  Event& columns = record.columns.emplace();
  columns.set(Num::time, static_cast<std::uint64_t>(record.time_ns));
  columns.set(Num::family, static_cast<std::uint64_t>(Family::control));
  columns.set(Num::resource_count, settled.items.size());
  columns.set(Str::observer, record.strings->emplace_back(connector));
  columns.set(Str::operation, record.strings->emplace_back(operation));
  if (settled.how == Settled::How::quarantined)
    columns.set(Str::correlation, record.strings->emplace_back(settled.items.front().uid));
}

}  // namespace

OwnRecord make_receipt(const Settled& settled, std::string_view connector, bool redelivery, std::int64_t now_ns) {
  const bool dead = settled.how == Settled::How::quarantined;
  const char* outcome = dead ? "dead_lettered" : "delivered";
  Json body{{"type", "receipt"}, {"connector", connector}, {"outcome", outcome}, {"count", settled.items.size()}};
  body["first"] = place_of(settled.items.front());
  if (settled.items.size() > 1) body["last"] = place_of(settled.items.back());
  if (redelivery) body["redelivery"] = true;
  if (settled.answer.status != 0) body["status"] = settled.answer.status;
  if (!settled.answer.code.empty()) body["code"] = settled.answer.code;
  if (!settled.answer.ack.empty()) body["ack"] = settled.answer.ack;
  if (!settled.answer.reason.empty()) body["reason"] = settled.answer.reason;
  body["attempts"] = settled.attempts;
  body["first_try"] = format_rfc3339(settled.first_try_ns);
  body["last_try"] = format_rfc3339(settled.last_try_ns);
  if (dead) body["excerpt"] = settled.items.front().bytes.substr(0, excerpt_bytes_max);
  OwnRecord record;
  record.kind = RecordKind::receipt;
  record.time_ns = now_ns;
  record.body = body.dump(-1, ' ', false, Json::error_handler_t::replace);
  add_columns(record, settled, connector, outcome);
  return record;
}

}  // namespace tidewaiter::forward
