#include "ingest/host_name.hpp"

#include <unicode/uidna.h>

#include "core/check.hpp"
#include "core/text.hpp"
#include "ingest/values.hpp"

namespace tidewaiter::ingest {
namespace {

constexpr std::size_t utf8_bytes_max = 4 * host_bytes_max;

const UIDNA* uts46() {
  static const UIDNA* const idna = [] {
    UErrorCode error = U_ZERO_ERROR;
    const UIDNA* made = uidna_openUTS46(UIDNA_NONTRANSITIONAL_TO_ASCII, &error);
    CHECK(U_SUCCESS(error));
    return made;
  }();
  return idna;
}

bool is_letter(char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }
bool is_host_character(char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.'; }

/// The A-labels in `out`, or nothing when it is no name of a host.
std::string_view a_labels(std::string_view host, char* out) {
  if (host.size() > utf8_bytes_max) return {};
  UIDNAInfo told = UIDNA_INFO_INITIALIZER;
  UErrorCode error = U_ZERO_ERROR;
  const std::int32_t length = uidna_nameToASCII_UTF8(uts46(), host.data(), static_cast<std::int32_t>(host.size()), out,
                                                     static_cast<std::int32_t>(host_room(host)), &told, &error);
  if (U_FAILURE(error) || told.errors != 0) return {};
  const std::string_view labels(out, static_cast<std::size_t>(length));
  return std::all_of(labels.begin(), labels.end(), is_host_character) ? labels : std::string_view();
}

}  // namespace

bool host_needs_work(std::string_view host) { return host.ends_with('.') || has_upper_or_other(host); }

std::string_view normal_host(std::string_view host, char* out) {
  if (!is_ascii(host))
    if (std::string_view labels = a_labels(host, out); !labels.empty()) {
      if (labels.ends_with('.')) labels.remove_suffix(1);
      return labels;
    }
  if (host.ends_with('.')) host.remove_suffix(1);
  return {out, lower_ascii(host, out)};
}

std::string normal_host(std::string_view host) {
  std::string text(host_room(host), '\0');
  text.resize(normal_host(host, text.data()).size());
  return text;
}

bool is_host_name(std::string_view text) {
  std::string labels;
  if (!is_ascii(text)) text = labels = normal_host(text);
  return std::all_of(text.begin(), text.end(), is_host_character) && std::any_of(text.begin(), text.end(), is_letter) &&
         !parse_ip(text);
}

}  // namespace tidewaiter::ingest
