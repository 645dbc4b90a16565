// A file system that remembers what was synced and, when the power is lost, takes the rest away: bytes behind the last sync
// of their file, files whose directory was not synced since they have their name, and renames likewise.
#pragma once

#include <rocksdb/file_system.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <sstream>
#include <string>

namespace tidewaiter::store {

class FragileFileSystem : public rocksdb::FileSystemWrapper {
 public:
  explicit FragileFileSystem(bool honest = true)
      : rocksdb::FileSystemWrapper(rocksdb::FileSystem::Default()), honest_(honest) {}
  const char* Name() const override { return "fragile"; }

  /// After `writes` more appends and syncs nothing reaches the disk any more.
  void fail_after(std::uint64_t writes) {
    const std::lock_guard lock(mutex_);
    left_ = writes;
  }
  std::uint64_t writes() const {
    const std::lock_guard lock(mutex_);
    return done_;
  }
  bool failing() const {
    const std::lock_guard lock(mutex_);
    return left_ == 0;
  }
  /// Cuts every file back to what was synced of it, and every directory to what it had when it was synced.
  void lose_power() {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, file] : files_) {
      if (!std::filesystem::exists(name)) continue;
      if (file.entered)
        std::filesystem::resize_file(name, file.synced);
      else if (file.replaced)
        std::ofstream(name, std::ios::binary | std::ios::trunc) << *file.replaced;
      else
        std::filesystem::remove(name);
    }
  }

  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* out,
                                    rocksdb::IODebugContext* debug) override {
    if (failing()) return no_power();
    std::unique_ptr<rocksdb::FSWritableFile> file;
    rocksdb::IOStatus status = target()->NewWritableFile(name, options, &file, debug);
    if (!status.ok()) return status;
    {
      const std::lock_guard lock(mutex_);
      files_[name] = {};
    }
    *out = std::make_unique<File>(*this, name, std::move(file));
    return status;
  }
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override {
    if (failing()) return no_power();
    const std::optional<std::string> replaced = content_of(to);
    rocksdb::IOStatus status = target()->RenameFile(from, to, options, debug);
    const std::lock_guard lock(mutex_);
    if (const auto found = files_.find(from); status.ok() && found != files_.end()) {
      files_[to] = {found->second.synced, false, replaced};
      files_.erase(from);
    }
    return status;
  }
  rocksdb::IOStatus NewDirectory(const std::string& name, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* out, rocksdb::IODebugContext* debug) override {
    std::unique_ptr<rocksdb::FSDirectory> directory;
    rocksdb::IOStatus status = target()->NewDirectory(name, options, &directory, debug);
    if (status.ok()) *out = std::make_unique<Directory>(*this, name, std::move(directory));
    return status;
  }
  rocksdb::IOStatus DeleteFile(const std::string& name, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override {
    if (failing()) return no_power();
    rocksdb::IOStatus status = target()->DeleteFile(name, options, debug);
    const std::lock_guard lock(mutex_);
    files_.erase(name);
    return status;
  }

 private:
  struct Remembered {
    std::uint64_t synced = 0;
    bool entered = false;                 // its directory was synced since it has this name
    std::optional<std::string> replaced;  // what a rename took the place of
  };
  static std::optional<std::string> content_of(const std::string& name) {
    std::ifstream in(name, std::ios::binary);
    if (!in) return std::nullopt;
    return (std::ostringstream() << in.rdbuf()).str();
  }
  static rocksdb::IOStatus no_power() { return rocksdb::IOStatus::IOError("the power is off"); }
  bool allow() {
    const std::lock_guard lock(mutex_);
    if (left_ == 0) return false;
    --left_;
    ++done_;
    return true;
  }

  class File : public rocksdb::FSWritableFileOwnerWrapper {
   public:
    File(FragileFileSystem& system, std::string name, std::unique_ptr<rocksdb::FSWritableFile> file)
        : rocksdb::FSWritableFileOwnerWrapper(std::move(file)), system_(system), name_(std::move(name)) {}
    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* debug) override {
      if (!system_.allow()) return no_power();
      rocksdb::IOStatus status = rocksdb::FSWritableFileOwnerWrapper::Append(data, options, debug);
      if (status.ok()) size_ += data.size();
      return status;
    }
    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             const rocksdb::DataVerificationInfo&, rocksdb::IODebugContext* debug) override {
      return Append(data, options, debug);
    }
    rocksdb::IOStatus Sync(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
      if (!system_.allow()) return no_power();
      if (!system_.honest_) return rocksdb::IOStatus::OK();
      return remember();
    }
    rocksdb::IOStatus Fsync(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
      if (!system_.allow()) return no_power();
      if (!system_.honest_) return rocksdb::IOStatus::OK();
      return remember();
    }

   private:
    // The disk itself is left in peace: what is not remembered here is lost anyway.
    rocksdb::IOStatus remember() {
      const std::lock_guard lock(system_.mutex_);
      if (const auto found = system_.files_.find(name_); found != system_.files_.end()) found->second.synced = size_;
      return rocksdb::IOStatus::OK();
    }
    FragileFileSystem& system_;
    const std::string name_;
    std::uint64_t size_ = 0;
  };

  class Directory : public rocksdb::FSDirectory {
   public:
    Directory(FragileFileSystem& system, std::string name, std::unique_ptr<rocksdb::FSDirectory> directory)
        : system_(system), name_(std::filesystem::path(name) / ""), directory_(std::move(directory)) {}
    rocksdb::IOStatus Fsync(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override { return remember(); }
    rocksdb::IOStatus FsyncWithDirOptions(const rocksdb::IOOptions&, rocksdb::IODebugContext*,
                                          const rocksdb::DirFsyncOptions&) override {
      return remember();
    }
    rocksdb::IOStatus Close(const rocksdb::IOOptions& options, rocksdb::IODebugContext* debug) override {
      return directory_->Close(options, debug);
    }

   private:
    rocksdb::IOStatus remember() {
      if (!system_.allow()) return no_power();
      const std::lock_guard lock(system_.mutex_);
      for (auto& [file, remembered] : system_.files_)
        if (system_.honest_ && std::filesystem::path(file).parent_path() / "" == name_)
          remembered.entered = true;
      return rocksdb::IOStatus::OK();
    }
    FragileFileSystem& system_;
    const std::filesystem::path name_;
    const std::unique_ptr<rocksdb::FSDirectory> directory_;
  };

  const bool honest_;
  mutable std::mutex mutex_;
  std::map<std::string, Remembered> files_;
  std::uint64_t left_ = ~std::uint64_t{0}, done_ = 0;
};

}  // namespace tidewaiter::store
