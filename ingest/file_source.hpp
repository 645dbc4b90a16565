// FileSource: NDJSON files and standard input as a Source. One line = one record; the offset is the line's number from 0.
// Coordinates (semantics 2): cluster "file", topic id = SHA-256(absolute path || first line) cut to 16 bytes, partition 0;
// standard input has a random topic id per run. A file is read again from line 0 when its first line has changed.
//
// A line ends at '\n'; a '\r' before it belongs to the line end too. The last line may lack its end. An empty line is no record
// but keeps its number, so numbers are those of an editor minus 1 (the store's coverage names it as not delivered).
// A line longer than line_bytes_max is cut there and stored as it is: the parser will reject it as too large.
// Resuming skips lines by counting ends, at the speed of memchr.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "ingest/batch_builder.hpp"
#include "ingest/source.hpp"

namespace tidewaiter::ingest {

/// Where the store wants a partition to go on: the next offset it does not hold; nothing = from the start.
using PositionFor = std::function<std::optional<std::uint64_t>(const Origin&, std::uint32_t partition)>;

struct FileSourceOptions {
  std::vector<std::string> paths;  // "-" is standard input
  BatchLimits batch;
  std::size_t line_bytes_max = 16 << 20;
  PositionFor position_for;
};

class FileSource final : public Source {
 public:
  /// Errors: not_found, permission, invalid_argument (a directory): all files are looked at before the first is read.
  static Result<std::unique_ptr<FileSource>> open(FileSourceOptions options, const Clock& clock);
  ~FileSource() override;

  Result<std::unique_ptr<Batch>> poll(int timeout_ms) override;
  std::size_t claim(Batch&) override { return 0; }
  void committed(const std::vector<DurableOffset>&) override {}
  void abandoned() override {}
  Result<void> restart() override;
  void pause() override;
  void resume() override;
  bool finished() const override;
  SourceStatus status() const override;

 private:
  class LineReader;
  FileSource(FileSourceOptions options, const Clock& clock);
  Result<bool> open_next();
  Result<bool> next_line(std::string_view& line);
  void append(std::string_view line);
  void publish();

  const FileSourceOptions options_;
  const Clock& clock_;
  BatchBuilder builder_;
  std::size_t next_path_ = 0;
  std::unique_ptr<LineReader> reader_;
  const Origin* origin_ = nullptr;
  std::uint64_t line_number_ = 0;
  std::int64_t receive_ns_ = 0;  // read once per piece of the file, not per line
  std::string held_;        // first line of a file, or the line that did not fit into the batch
  bool holds_ = false;
  mutable std::mutex mutex_;  // guards status_
  SourceStatus status_;
};

}  // namespace tidewaiter::ingest
