#include "app/text_orders.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "app/pipeline.hpp"
#include "core/body.hpp"
#include "core/text.hpp"
#include "store/reader.hpp"

namespace tidewaiter::app {
namespace {

constexpr std::string_view order_prefix = "text_order/";
constexpr std::string_view columns_prefix = "text_columns/";

/// The message as its source handed it over.
Result<Batch> batch_of(const Record& stored) {
  Batch batch(2 * stored.body.size() + Arena::padding_bytes);
  Record record = stored;
  char* place = batch.arena.reserve(stored.body.size());
  std::copy(stored.body.begin(), stored.body.end(), place);
  record.body = {place, stored.body.size()};
  TRY_ASSIGN(const BodyParts parts, read_body(record.body));
  record.key = parts.key.value_or(std::string_view());
  record.value = parts.value.value_or(std::string_view());
  record.first_event = record.event_count = 0;
  batch.records.push_back(record);
  return batch;
}

}  // namespace

std::string order_cursor(const ingest::TextOrder& order) {
  const Origin& origin = *order.origin;
  const std::string_view id(reinterpret_cast<const char*>(origin.topic_id.data()), origin.topic_id.size());
  return std::string(order_prefix) + origin.cluster + "/" + to_hex(id) + "/" + origin.topic + "/" +
         std::to_string(order.partition) + "/" + order.format + "/" + order.place;
}

Result<TextOrders> stored_text_orders(const store::Log& log) {
  TRY_ASSIGN(const std::vector<CursorUpdate> cursors, log.cursors(std::string(order_prefix)));
  TextOrders orders;
  for (const CursorUpdate& cursor : cursors) orders[cursor.name] = cursor.value;
  return orders;
}

std::vector<CursorUpdate> text_columns_cursors(const std::map<std::string, std::vector<std::string>>& text_columns) {
  std::vector<CursorUpdate> cursors;
  for (const auto& [format, columns] : text_columns) {
    std::string line;
    for (const std::string& column : columns) line += (line.empty() ? "" : " ") + column;
    cursors.push_back({std::string(columns_prefix) + format, std::move(line)});
  }
  return cursors;
}

HeaderLines::HeaderLines(const store::Log& log, std::unique_ptr<Parse> scout,
                         std::map<std::string, std::vector<std::string>> configured)
    : log_(log), scout_(std::move(scout)), configured_(std::move(configured)) {
  scout_->recall_orders_by([](const ingest::TextOrder&) { return std::optional<std::string>(""); }, true);
}

HeaderLines::~HeaderLines() = default;

std::optional<std::string> HeaderLines::before(const ingest::TextOrder& asked) {
  if (!std::exchange(found_, true))
    if (auto found = find_all(); !found) error_ = found.error();
  if (const auto stream = headers_.find({asked.origin, asked.partition, asked.format, asked.place}); stream != headers_.end())
    if (const auto next = stream->second.lower_bound(asked.offset); next != stream->second.begin())
      return std::prev(next)->second;
  if (configured_.contains(asked.format)) return "";
  if (log_.cursor(std::string(columns_prefix) + asked.format)) return std::nullopt;
  return "";
}

/// A header line alone is a message without events, which the store keeps among the rejects.
Result<void> HeaderLines::find_all() {
  TRY_ASSIGN(const auto reader, store::Reader::open(log_));
  for (const store::LogInfo& log : reader->logs()) {
    if (store::is_own_log(log.id) && log.name != "rejects") continue;
    Result<void> good;
    const auto visit = [&](const store::StoredRecord& stored) {
      if (stored.record.kind != RecordKind::event && stored.record.kind != RecordKind::unmapped) return true;
      auto batch = batch_of(stored.record);
      if (!batch) {
        good = std::move(batch).error();
        return false;
      }
      scout_->parse(*batch);
      for (ingest::TextOrder& order : scout_->take_orders())
        headers_[{order.origin, order.partition, order.format, order.place}][order.offset] = std::move(order.header);
      return true;
    };
    TRY(reader->scan(log.id, 0, reader->size(log.id), true, [](const store::BlockSummary&) { return true; }, visit));
    TRY(good);
  }
  return {};
}

}  // namespace tidewaiter::app
