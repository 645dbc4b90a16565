// Settings: the key-value part of one connector's configuration, read with types, bounds and errors that name the key.
// Cold path. The first error wins; finish() also refuses keys that nobody asked for, with the nearest known one.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "core/result.hpp"

namespace tidewaiter::forward {

class Settings {
 public:
  /// `place` is how the configuration file calls the connector: "connectors[0]".
  Settings(std::string place, const std::map<std::string, std::string>& values);

  std::string text(std::string_view key, std::string_view fallback = {});
  std::string required(std::string_view key);
  bool flag(std::string_view key, bool fallback);
  std::uint64_t number(std::string_view key, std::uint64_t fallback, std::uint64_t low, std::uint64_t high);
  /// A number of bytes, also as "8KiB", "64KB", "1MiB".
  std::uint64_t bytes(std::string_view key, std::uint64_t fallback, std::uint64_t low, std::uint64_t high);
  /// One of `words`; `fallback` must be one.
  std::string word(std::string_view key, std::string_view fallback, std::span<const std::string_view> words);
  /// A file that must be readable now. Empty when the key is absent.
  std::string file(std::string_view key);
  /// A secret from `KEY_file` or from the environment variable named by `KEY_env`; never from the file itself.
  std::string secret(std::string_view key, bool must_exist);

  /// Marks a key as wrong: "connectors[0].key: message".
  void wrong(std::string_view key, std::string message);
  Result<void> finish();

 private:
  const std::string* find(std::string_view key);
  std::string place_;
  const std::map<std::string, std::string>& values_;
  std::set<std::string, std::less<>> known_;
  std::optional<Error> error_;
};

}  // namespace tidewaiter::forward
