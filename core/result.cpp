#include "core/result.hpp"

#include <cstdio>
#include <cstdlib>

#include "core/check.hpp"

namespace tidewaiter {

const char* code_name(Code code) {
  switch (code) {
    case Code::invalid_argument: return "invalid_argument";
    case Code::not_found: return "not_found";
    case Code::already_exists: return "already_exists";
    case Code::unavailable: return "unavailable";
    case Code::permission: return "permission";
    case Code::disk: return "disk";
    case Code::corruption: return "corruption";
    case Code::conflict: return "conflict";
    case Code::internal: return "internal";
  }
  return "internal";
}

void check_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "tidewaiter: broken invariant: %s (%s:%d)\n", expression, file, line);
  std::abort();
}

}  // namespace tidewaiter
