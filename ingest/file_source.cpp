#include "ingest/file_source.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <random>
#include <thread>

#include "core/sha256.hpp"
#include "ingest/json_text.hpp"

namespace tidewaiter::ingest {
namespace {

constexpr std::string_view stdin_path = "-";

Error file_error(const std::string& path, int error) {
  const Code code = error == ENOENT ? Code::not_found : error == EACCES ? Code::permission : Code::disk;
  return fail(code, path + ": " + std::strerror(error));
}

TopicId file_topic_id(const std::string& path, std::string_view first_line) {
  std::error_code ignored;
  const std::string absolute = std::filesystem::absolute(path, ignored).lexically_normal().string();
  const Hash hash = sha256(absolute + std::string(first_line));
  TopicId id;
  std::copy_n(hash.begin(), id.size(), id.begin());
  return id;
}

TopicId random_topic_id() {
  std::random_device random;
  TopicId id;
  for (auto& byte : id) byte = static_cast<std::uint8_t>(random());
  return id;
}

}  // namespace

/// Reads a descriptor in large pieces and gives lines. One read at most per call to fill().
class FileSource::LineReader {
 public:
  LineReader(int descriptor, std::string path, std::size_t line_bytes_max)
      : name(std::move(path)), descriptor_(descriptor), line_bytes_max_(line_bytes_max), buffer_(256 * 1024) {}
  ~LineReader() {
    if (descriptor_ != STDIN_FILENO) ::close(descriptor_);
  }
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  /// A line if one is whole in the buffer (or the last one at the end of the file). The view dies with the next call.
  std::optional<std::string_view> line() {
    for (;;) {
      const std::size_t filled = end_ - begin_ - searched_;
      const char* from = buffer_.data() + begin_ + searched_;
      if (const void* found = filled > 0 ? std::memchr(from, '\n', filled) : nullptr) {
        const auto at = static_cast<std::size_t>(static_cast<const char*>(found) - buffer_.data());
        const std::string_view text(buffer_.data() + begin_, at - begin_);
        begin_ = at + 1;
        searched_ = 0;
        if (std::exchange(skipping_, false)) continue;  // the rest of a line that was cut
        return text;
      }
      searched_ = end_ - begin_;
      if (searched_ > line_bytes_max_) return cut_line();
      if (!at_end_ || searched_ == 0) return std::nullopt;
      const std::string_view last(buffer_.data() + begin_, searched_);
      begin_ = end_ = searched_ = 0;
      if (std::exchange(skipping_, false)) return std::nullopt;
      return last;
    }
  }

  bool at_end() const { return at_end_; }
  bool drained() const { return at_end_ && begin_ == end_; }

  /// Waits for bytes at most `timeout_ms`, reads once. False: nothing came.
  Result<bool> fill(int timeout_ms) {
    pollfd ready{descriptor_, POLLIN, 0};
    if (::poll(&ready, 1, timeout_ms) <= 0) return false;
    make_room();
    const ssize_t got = ::read(descriptor_, buffer_.data() + end_, buffer_.size() - end_);
    if (got < 0) return errno == EINTR || errno == EAGAIN ? Result<bool>(false) : file_error(name, errno);
    if (got == 0) at_end_ = true;
    end_ += static_cast<std::size_t>(got);
    bytes_read += static_cast<std::uint64_t>(got);
    return true;
  }

  const std::string name;
  std::uint64_t bytes_read = 0;

 private:
  std::optional<std::string_view> cut_line() {
    const std::string_view text(buffer_.data() + begin_, line_bytes_max_);
    begin_ = end_;
    searched_ = 0;
    if (std::exchange(skipping_, true)) return std::nullopt;
    return text;
  }
  void make_room() {
    if (begin_ > 0) {
      std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    }
    if (end_ == buffer_.size()) buffer_.resize(buffer_.size() * 2);
  }

  const int descriptor_;
  const std::size_t line_bytes_max_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0, end_ = 0, searched_ = 0;  // searched_: bytes after begin_ known to hold no line end
  bool at_end_ = false, skipping_ = false;
};

FileSource::FileSource(FileSourceOptions options, const Clock& clock)
    : options_(std::move(options)), clock_(clock), builder_(options_.batch) {}
FileSource::~FileSource() = default;

Result<std::unique_ptr<FileSource>> FileSource::open(FileSourceOptions options, const Clock& clock) {
  std::uint64_t total = 0;
  bool known = true;
  for (const std::string& path : options.paths) {
    if (path == stdin_path) {
      known = false;
      continue;
    }
    struct stat about {};
    if (::stat(path.c_str(), &about) != 0) return file_error(path, errno);
    if (S_ISDIR(about.st_mode)) return fail(Code::invalid_argument, path + ": is a directory, not a file");
    if (::access(path.c_str(), R_OK) != 0) return file_error(path, errno);
    known = known && S_ISREG(about.st_mode);
    total += static_cast<std::uint64_t>(about.st_size);
  }
  std::unique_ptr<FileSource> source(new FileSource(std::move(options), clock));
  source->status_.bytes_total = known ? total : 0;
  return source;
}

/// Opens the next file, reads its first line (it is part of the file's identity) and skips what the store holds.
Result<bool> FileSource::open_next() {
  if (next_path_ == options_.paths.size()) return false;
  const std::string& path = options_.paths[next_path_];
  const int descriptor = path == stdin_path ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return file_error(path, errno);
  ++next_path_;
  reader_ = std::make_unique<LineReader>(descriptor, path, options_.line_bytes_max);
  line_number_ = 0;
  if (path == stdin_path) {
    origin_ = intern_origin("file", random_topic_id(), "stdin");
    return true;
  }
  auto first = reader_->line();
  for (; !first && !reader_->at_end(); first = reader_->line()) TRY(reader_->fill(-1));
  const std::string first_line(first.value_or(std::string_view()));
  origin_ = intern_origin("file", file_topic_id(path, first_line), path);
  std::uint64_t start = 0;
  if (options_.position_for) start = options_.position_for(*origin_, 0).value_or(0);
  if (first && start == 0) {
    held_ = first_line;
    holds_ = true;
    return true;
  }
  line_number_ = first ? 1 : 0;
  while (line_number_ < start) {
    if (reader_->line())
      ++line_number_;
    else if (reader_->at_end())
      break;
    else
      TRY(reader_->fill(-1));
  }
  return true;
}

/// The next line of the open file. False: none is there yet, or the file is over.
Result<bool> FileSource::next_line(std::string_view& line) {
  if (holds_) {
    line = held_;
    return true;
  }
  if (const auto found = reader_->line()) {
    line = *found;
    return true;
  }
  return false;
}

void FileSource::append(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (trimmed(line).empty()) {
    ++line_number_;
    holds_ = false;
    return;
  }
  BodyParts parts;
  parts.receive_time_ns = receive_ns_;
  parts.value = line;
  if (builder_.add(origin_, 0, line_number_, -1, parts)) {
    ++line_number_;
    holds_ = false;
  } else if (!holds_) {
    held_.assign(line);
    holds_ = true;
  }
}

Result<std::unique_ptr<Batch>> FileSource::poll(int timeout_ms) {
  {
    std::unique_lock lock(mutex_);
    if (status_.state == SourceState::paused) {
      lock.unlock();
      std::this_thread::sleep_for(std::chrono::milliseconds(timeout_ms));
      return std::unique_ptr<Batch>();
    }
  }
  bool waited = false;
  receive_ns_ = clock_.now_ns();
  for (;;) {
    if (!reader_) {
      TRY_ASSIGN(const bool opened, open_next());
      if (!opened) break;
    }
    std::string_view line;
    TRY_ASSIGN(const bool found, next_line(line));
    if (found) {
      append(line);
      if (holds_) break;  // the batch is full; a first line held back comes through append() above
    } else if (reader_->drained()) {
      reader_.reset();
    } else if (!reader_->at_end()) {
      if (waited || builder_.due(clock_.now_ns())) break;
      TRY_ASSIGN(const bool got, reader_->fill(builder_.wait_ms(clock_.now_ns(), timeout_ms)));
      waited = !got;
      receive_ns_ = clock_.now_ns();
    }
  }
  auto batch = holds_ || !reader_ || builder_.due(clock_.now_ns()) ? builder_.take() : nullptr;
  if (batch) {
    std::lock_guard lock(mutex_);
    status_.messages += batch->records.size();
    status_.bytes += batch->arena.used_bytes();
  }
  publish();
  return batch;
}

void FileSource::publish() {
  std::lock_guard lock(mutex_);
  if (!reader_ && next_path_ == options_.paths.size() && builder_.empty() && !holds_)
    status_.state = SourceState::finished;
  if (origin_ == nullptr) return;
  if (status_.partitions.empty() || status_.partitions.back().topic_id != origin_->topic_id)
    status_.partitions.push_back({origin_->cluster, origin_->topic, origin_->topic_id, 0, 0, -1, false});
  status_.partitions.back().next_offset = line_number_;
  status_.partitions.back().at_end = !reader_;
  std::uint64_t done = reader_ ? reader_->bytes_read : 0;
  for (std::size_t i = 0; i + (reader_ ? 1 : 0) < next_path_; ++i) {
    struct stat about {};
    if (options_.paths[i] != stdin_path && ::stat(options_.paths[i].c_str(), &about) == 0)
      done += static_cast<std::uint64_t>(about.st_size);
  }
  status_.bytes_done = done;
}

Result<void> FileSource::restart() {
  builder_.take();
  reader_.reset();
  next_path_ = 0;
  holds_ = false;
  {
    std::lock_guard lock(mutex_);
    status_.partitions.clear();
    status_.state = SourceState::running;
  }
  const auto& paths = options_.paths;
  if (std::find(paths.begin(), paths.end(), stdin_path) == paths.end()) return {};
  return fail(Code::unavailable, "standard input cannot be read twice: lines may be missing");
}

void FileSource::pause() {
  std::lock_guard lock(mutex_);
  if (status_.state == SourceState::running) status_.state = SourceState::paused;
}

void FileSource::resume() {
  std::lock_guard lock(mutex_);
  if (status_.state == SourceState::paused) status_.state = SourceState::running;
}

bool FileSource::finished() const {
  std::lock_guard lock(mutex_);
  return status_.state == SourceState::finished;
}

SourceStatus FileSource::status() const {
  std::lock_guard lock(mutex_);
  return status_;
}

}  // namespace tidewaiter::ingest
