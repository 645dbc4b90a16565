#include "store/mask.hpp"

#include "core/secret.hpp"

namespace tidewaiter::store {

std::string mask_secrets(std::string_view text) {
  constexpr std::string_view ellipsis = "\xe2\x80\xa6";
  std::string out;
  std::size_t copied = 0;
  for (std::size_t i = 0; i < text.size();) {
    const auto secret = secret_at(text.substr(i), is_word_start(text, i));
    if (!secret) {
      ++i;
      continue;
    }
    out.append(text.substr(copied, i + secret->hidden - copied)).append(ellipsis);
    copied = i = i + secret->last;
  }
  out.append(text.substr(copied));
  return out;
}

}  // namespace tidewaiter::store
