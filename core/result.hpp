// Result<T>: a value or an Error, with std::expected's member names (GCC 12 has no std::expected).
// Errors are for the environment (disk, broker, network, corruption) and for bad configuration.
// Untrusted input becomes a stored reject instead, and a broken invariant of ours a CHECK.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace tidewaiter {

/// What the loops of app/ decide on: retry, pause or stop.
enum class Code {
  invalid_argument,  // configuration, command line, a filter: the user can mend it
  not_found,
  already_exists,
  unavailable,  // broker, network, SIEM: try again
  permission,   // refused: park and say why
  disk,         // full, read-only, EIO
  corruption,   // stored bytes are not what they should be
  conflict,     // another owner, another generation
  internal,
};

/// Short stable word for logs and JSON, such as "unavailable".
const char* code_name(Code code);

struct Error {
  Code code = Code::internal;
  std::string message;  // names the file, key or place, and the remedy where there is one
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}
  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  Error& error() & { return std::get<1>(state_); }
  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }
  T value_or(T other) const { return has_value() ? value() : std::move(other); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}
  bool has_value() const { return !error_; }
  explicit operator bool() const { return has_value(); }
  Error& error() & { return *error_; }
  const Error& error() const& { return *error_; }
  Error&& error() && { return std::move(*error_); }

 private:
  std::optional<Error> error_;
};

inline Error fail(Code code, std::string message) { return Error{code, std::move(message)}; }

}  // namespace tidewaiter

/// TRY(expression): returns the error of a Result from the enclosing function.
#define TRY(expression)                                      \
  do {                                                       \
    if (auto try_result_ = (expression); !try_result_)       \
      return std::move(try_result_).error();                 \
  } while (false)

#define TRY_CONCAT_(a, b) a##b
#define TRY_NAME_(a, b) TRY_CONCAT_(a, b)
/// TRY_ASSIGN(auto x, expression): x = the value, or returns the error.
#define TRY_ASSIGN(target, expression) TRY_ASSIGN_(TRY_NAME_(try_result_, __LINE__), target, expression)
#define TRY_ASSIGN_(name, target, expression) \
  auto name = (expression);                   \
  if (!name) return std::move(name).error();  \
  target = std::move(name).value()
