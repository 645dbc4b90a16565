#include "store/column_versions.hpp"

#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/text.hpp"

namespace tidewaiter::store {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::uint64_t run_records = 4096;

Json to_json(const ColumnVersion& version) {
  Json logs = Json::array();
  for (const ColumnVersion::Part& part : version.parts)
    logs.push_back({{"log_id", part.log}, {"records", part.records}, {"digest", to_hex(as_view(part.digest))}});
  return {{"version", version.version}, {"logs", std::move(logs)}};
}

Result<ColumnVersion> from_json(const Json& json) {
  const auto number = [](const Json& object, const char* key) -> std::optional<std::uint64_t> {
    if (!object.is_object() || !object.contains(key) || !object[key].is_number_unsigned()) return std::nullopt;
    return object[key].get<std::uint64_t>();
  };
  const auto bad = [] { return fail(Code::corruption, "a version of columns cannot be read"); };
  const auto version = number(json, "version");
  if (!version || *version == 0 || *version > 255 || !json.contains("logs") || !json["logs"].is_array()) return bad();
  ColumnVersion made;
  made.version = static_cast<std::uint8_t>(*version);
  for (const Json& log : json["logs"]) {
    const auto id = number(log, "log_id"), records = number(log, "records");
    if (!id || *id > 0xffff || !records || !log.contains("digest") || !log["digest"].is_string()) return bad();
    const auto digest = from_hex(log["digest"].get<std::string>());
    ColumnVersion::Part part{static_cast<std::uint16_t>(*id), *records, {}};
    if (!digest || digest->size() != part.digest.size()) return bad();
    std::memcpy(part.digest.data(), digest->data(), digest->size());
    made.parts.push_back(part);
  }
  return made;
}

}  // namespace

std::uint64_t ColumnVersion::records_of(std::uint16_t log) const {
  for (const Part& part : parts)
    if (part.log == log) return part.records;
  return 0;
}

std::uint8_t newest_version(const std::vector<ColumnVersion>& versions, std::uint8_t version_max, std::uint16_t log,
                            std::uint64_t seq) {
  std::uint8_t newest = 0;
  for (const ColumnVersion& version : versions)
    if (version.version <= version_max && version.records_of(log) > seq) newest = std::max(newest, version.version);
  return newest;
}

std::string encode_column_version(const ColumnVersion& version) { return to_json(version).dump(); }

Result<ColumnVersion> decode_column_version(std::string_view json) {
  return from_json(Json::parse(json, nullptr, false));
}

std::string encode_column_versions(const std::vector<ColumnVersion>& versions) {
  Json list = Json::array();
  for (const ColumnVersion& version : versions) list.push_back(to_json(version));
  return list.dump();
}

Result<std::vector<ColumnVersion>> decode_column_versions(std::string_view json) {
  const Json list = Json::parse(json, nullptr, false);
  if (!list.is_array()) return fail(Code::corruption, "the list of column versions cannot be read");
  std::vector<ColumnVersion> versions;
  for (const Json& entry : list) {
    TRY_ASSIGN(ColumnVersion version, from_json(entry));
    versions.push_back(std::move(version));
  }
  return versions;
}

void LaterColumnDigest::add(const Record& record, std::uint32_t ordinal, const Event* events) {
  if (records_ % run_records == 0) run_.begin();
  run_.add(record, ordinal, events);
  if (++records_ % run_records == 0) end_run();
}

void LaterColumnDigest::end_run() { chain_ = ColumnDigest::chain(sha_, chain_, sha_.digest(run_.bytes())); }

Hash LaterColumnDigest::finish() {
  if (records_ % run_records != 0) end_run();
  return chain_;
}

}  // namespace tidewaiter::store
