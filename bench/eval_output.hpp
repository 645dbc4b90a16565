// ScoreWriter: score lines into a file, stdout or nowhere, in blocks.
#pragma once

#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "core/result.hpp"

namespace tidewaiter::bench {

class ScoreWriter {
 public:
  /// "" = nowhere, "-" = stdout. Errors: disk.
  static Result<ScoreWriter> open(const std::string& path) {
    ScoreWriter writer;
    writer.path_ = path;
    if (path == "-") {
      writer.file_ = stdout;
    } else if (!path.empty()) {
      writer.file_ = std::fopen(path.c_str(), "wb");
      if (writer.file_ == nullptr) return writer.failed();
    }
    return writer;
  }
  ScoreWriter(ScoreWriter&& other) noexcept
      : path_(std::move(other.path_)), file_(std::exchange(other.file_, nullptr)), buffer_(std::move(other.buffer_)) {}
  ScoreWriter& operator=(ScoreWriter&&) = delete;
  ~ScoreWriter() {
    if (file_ != nullptr && file_ != stdout) std::fclose(file_);
  }

  void number(double value) {
    char text[32];
    buffer_.append(text, std::to_chars(text, text + sizeof text, value, std::chars_format::general, 6).ptr);
  }
  void text(std::string_view text) { buffer_.append(text); }
  Result<void> flush_when_full() {
    constexpr std::size_t block_bytes = 1 << 18;
    return buffer_.size() < block_bytes ? Result<void>() : flush();
  }
  /// Errors: disk; without it the file may be short.
  Result<void> close() {
    if (Result<void> flushed = flush(); !flushed) return flushed;
    if (file_ == nullptr) return {};
    const bool good = file_ == stdout ? std::fflush(file_) == 0 : std::fclose(file_) == 0;
    file_ = nullptr;
    return good ? Result<void>() : failed();
  }

 private:
  ScoreWriter() = default;
  Error failed() const { return Error{Code::disk, path_ + ": " + std::strerror(errno)}; }
  Result<void> flush() {
    if (file_ != nullptr && std::fwrite(buffer_.data(), 1, buffer_.size(), file_) != buffer_.size()) return failed();
    buffer_.clear();
    return {};
  }

  std::string path_;
  std::FILE* file_ = nullptr;
  std::string buffer_;
};

}  // namespace tidewaiter::bench
