#include "core/record.hpp"

#include <cstring>
#include <map>
#include <mutex>
#include <tuple>

namespace tidewaiter {

const char* record_kind_name(RecordKind kind) {
  switch (kind) {
    case RecordKind::event: return "event";
    case RecordKind::unmapped: return "unmapped";
    case RecordKind::reject: return "reject";
    case RecordKind::tombstone: return "tombstone";
    case RecordKind::conflict: return "conflict";
    case RecordKind::alert: return "alert";
    case RecordKind::receipt: return "receipt";
    case RecordKind::access: return "access";
    case RecordKind::control: return "control";
  }
  return "unknown";
}

const char* reject_reason_name(RejectReason reason) {
  switch (reason) {
    case RejectReason::none: return "none";
    case RejectReason::not_json: return "not_json";
    case RejectReason::not_utf8: return "not_utf8";
    case RejectReason::truncated: return "truncated";
    case RejectReason::too_large: return "too_large";
    case RejectReason::too_deep: return "too_deep";
    case RejectReason::too_many_keys: return "too_many_keys";
    case RejectReason::too_many_events: return "too_many_events";
    case RejectReason::no_event: return "no_event";
    case RejectReason::trailing_bytes: return "trailing_bytes";
  }
  return "unknown";
}

const Origin* intern_origin(std::string_view cluster, const TopicId& topic_id, std::string_view topic) {
  using Key = std::tuple<std::string, TopicId, std::string>;
  static std::mutex mutex;
  static auto* origins = new std::map<Key, std::unique_ptr<Origin>>;  // never destroyed: records point into it
  std::lock_guard lock(mutex);
  auto& slot = (*origins)[Key(cluster, topic_id, topic)];
  if (!slot) slot = std::make_unique<Origin>(Origin{std::string(cluster), topic_id, std::string(topic)});
  return slot.get();
}

// new char[] leaves the pages untouched until they are used, so a large arena costs nothing while it is small.
Arena::Arena(std::size_t capacity_bytes)
    : bytes_(new char[capacity_bytes + padding_bytes]), capacity_(capacity_bytes) {
  std::memset(bytes_.get() + capacity_bytes, 0, padding_bytes);
}

char* Arena::reserve(std::size_t size) {
  if (size >= capacity_ - used_) return nullptr;
  char* place = bytes_.get() + used_;
  place[size] = '\0';
  used_ += size + 1;
  return place;
}

}  // namespace tidewaiter
