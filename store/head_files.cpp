#include "store/head_files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/failpoint.hpp"
#include "store/note.hpp"

namespace tidewaiter::store {
namespace {

Error disk_error(const std::string& file) { return fail(Code::disk, file + ": " + std::strerror(errno)); }

Result<void> write_synced(const std::string& file, std::string_view content) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return disk_error(file);
  while (!content.empty()) {
    const ssize_t n = ::write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      Error error = disk_error(file);
      ::close(fd);
      return error;
    }
    content.remove_prefix(static_cast<std::size_t>(n));
  }
  const bool synced = ::fsync(fd) == 0;
  if (::close(fd) != 0 || !synced) return disk_error(file);
  return {};
}

Result<void> sync_directory(const std::string& directory) {
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return disk_error(directory);
  const bool synced = ::fsync(fd) == 0;
  if (::close(fd) != 0 || !synced) return disk_error(directory);
  return {};
}

Result<std::string> read_file(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream out;
  if (in) out << in.rdbuf();
  if (!in) return disk_error(file);
  return out.str();
}

}  // namespace

Result<void> replace_file(const std::string& file, std::string_view content) {
  const std::string directory = std::filesystem::path(file).parent_path().string();
  const std::string place = directory.empty() ? "." : directory;
  std::error_code failed;
  std::filesystem::create_directories(place, failed);
  if (failed) return fail(Code::disk, place + ": " + failed.message());
  const std::string fresh = file + ".new";
  TRY(write_synced(fresh, content));
  failpoint(Failpoint::head_file_before_rename);
  if (std::rename(fresh.c_str(), file.c_str()) != 0) return disk_error(file);
  failpoint(Failpoint::head_file_after_rename);
  return sync_directory(place);
}

bool holds_content(const std::string& file, std::string_view content) {
  const auto found = read_file(file);
  return found && *found == content;
}

std::string checkpoint_file(const std::string& directory, const std::string& log) {
  return directory + "/checkpoint/" + log;
}

std::string encode_head_file(const std::string& store_id, std::uint32_t generation,
                             const std::vector<NamedHead>& heads) {
  nlohmann::json list = nlohmann::json::array();
  for (const NamedHead& head : heads) list.push_back({{"log", head.log}, {"note", head.note}});
  return nlohmann::json{{"format", 1}, {"store", store_id}, {"generation", generation}, {"heads", list}}.dump(1) + "\n";
}

Result<std::vector<FoundNote>> find_notes(const std::string& directory, const std::string& head_file) {
  std::vector<FoundNote> found;
  std::error_code missing;
  for (const auto& entry : std::filesystem::directory_iterator(directory + "/checkpoint", missing)) {
    const std::string file = entry.path().string();
    if (file.ends_with(".new")) continue;
    TRY_ASSIGN(std::string note, read_file(file));
    found.push_back({file, std::move(note)});
  }
  if (head_file.empty() || !std::filesystem::exists(head_file)) return found;
  TRY_ASSIGN(const std::string text, read_file(head_file));
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object() || json.value("format", 0) != 1 || !json.contains("heads") || !json["heads"].is_array())
    return fail(Code::corruption, head_file + ": not a head file");
  for (const auto& head : json["heads"]) {
    if (!head.is_object() || !head.contains("note") || !head["note"].is_string())
      return fail(Code::corruption, head_file + ": a head has no note");
    found.push_back({head_file, head["note"].get<std::string>()});
  }
  return found;
}

std::optional<OriginParts> split_origin(const std::string& origin) {
  const std::size_t c = origin.rfind('/');
  if (c == std::string::npos || c == 0) return std::nullopt;
  const std::size_t b = origin.rfind('/', c - 1);
  if (b == std::string::npos || b == 0) return std::nullopt;
  const std::size_t a = origin.rfind('/', b - 1);
  if (a == std::string::npos) return std::nullopt;
  OriginParts parts{origin.substr(a + 1, b - a - 1), origin.substr(c + 1), 0};
  const char* end = origin.data() + c;
  if (std::from_chars(origin.data() + b + 1, end, parts.generation).ptr != end) return std::nullopt;
  return parts;
}

std::optional<PublishedHeads::Age> PublishedHeads::age_of(const std::string& note) {
  const auto parsed = parse_checkpoint(note);
  const auto parts = parsed ? split_origin(parsed->origin) : std::nullopt;
  if (!parts || parts->log != "control") return std::nullopt;
  return Age{parts->generation, parsed->size};
}

PublishedHeads::Age PublishedHeads::look() const {
  const auto notes = find_notes(directory_, head_file_);
  if (!notes) return {};
  Age beside{}, outside{};
  for (const FoundNote& found : *notes)
    if (const auto age = age_of(found.note)) (found.place == head_file_ ? outside : beside) = *age;
  return head_file_.empty() ? beside : std::min(beside, outside);
}

bool PublishedHeads::holds(const std::string& note) {
  const auto age = age_of(note);
  if (!age) return false;
  if (*age > newest_) newest_ = look();
  return *age <= newest_;
}

}  // namespace tidewaiter::store
