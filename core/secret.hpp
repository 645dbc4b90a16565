// Credentials, known by their shape: prefixes of well-known tokens (GitHub, GitLab, Slack, AWS, JWT and others),
// `Bearer …`, `password=…`, `://user:password@`, PEM private keys. The one definition for what the product hides: texts
// that leave the store are masked by it (store/mask.hpp), ids that hold one are hashed at ingest. Pure functions without
// allocation; a secret that looks like an ordinary word is not seen.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace tidewaiter {

/// Bytes of a text: the whole credential, and from `hidden` to `last` what must not be shown (its prefix may be).
struct Secret {
  std::size_t first, hidden, last;
};

/// The credential that begins where the text begins. `word_start`: no word goes on there (of "://…" that does not matter).
std::optional<Secret> secret_at(std::string_view text, bool word_start);

/// True when no word goes on at `at`: a token may begin there. `\n` and the like in JSON text are no letters.
bool is_word_start(std::string_view text, std::size_t at);

/// The first credential in a text that should be an id or a hash, empty when there is none. Besides the shapes above: 40
/// characters of base64 and nothing else, as AWS makes its secret keys. A digest in hex, a SHA-256 or SHA-1 in base64,
/// 40 characters of base64 that are text, and what is already `token=sha256:…` are none.
std::string_view secret_in_id(std::string_view id);

}  // namespace tidewaiter
