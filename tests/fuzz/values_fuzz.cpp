// Texts of strangers to values: numbers, times, addresses, hosts, and what `as` takes out of a text, each beside the
// plainest way to do the same; base64, hex and JSON escapes there and back.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "core/text.hpp"
#include "ingest/extracts.hpp"
#include "ingest/host_name.hpp"
#include "ingest/json_text.hpp"
#include "ingest/values.hpp"
#include "tests/ingest/reference_reader/json.hpp"
#include "tests/ingest/reference_reader/values.hpp"

using namespace tidewaiter;
using namespace tidewaiter::ingest;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

bool within(std::string_view part, std::string_view text) {
  return part.empty() || text.find(part) != std::string_view::npos;
}

void times(const std::string& text) {
  static const std::pair<const char*, TimeForm> forms[] = {
      {"rfc3339", TimeForm::rfc3339}, {"s", TimeForm::seconds},  {"ms", TimeForm::millis}, {"us", TimeForm::micros},
      {"ns", TimeForm::nanos},        {"float_s", TimeForm::float_seconds}, {"civil", TimeForm::civil}, {"any", TimeForm::any}};
  static TimeReader reader;  // remembers a day: what came before must not matter
  for (const auto& [name, form] : forms) {
    const auto time = reader.read(text, form), plain = testing::reference_time(text, name);
    const bool event_time = time && *time >= 0, plain_event_time = plain && *plain >= 0;
    require(event_time == plain_event_time && (!event_time || *time == *plain));
    if (event_time) require(parse_rfc3339(format_rfc3339(*time)) == time);
  }
}

void numbers(const std::string& text) {
  const auto number = read_unsigned(text);
  const auto plain = testing::reference_number(text);
  require(number.has_value() == plain.has_value());
  if (number) require(number->value == plain->value && number->lossy == plain->lossy);
  const auto address = read_ip(text);
  require(address.has_value() == parse_ip(text).has_value());
  if (!address) return;
  require(address->ip == parse_ip(text) && parse_ip(format_ip(address->ip)) == address->ip);
  require(address->leading_zeros == testing::has_padded_octet(text));
}

void extracts(const std::string& text) {
  for (const std::string_view part :
       {url_host(text), endpoint_host(text), endpoint_port(text), tuple_side(text, true),
        tuple_side(text, false), sha256_in(text)})
    require(within(part, text));
  const std::string_view port = url_port(text);  // of the scheme where none is written
  require(port == "80" || port == "443" || within(port, text));
  require(port.find_first_not_of("0123456789") == std::string_view::npos);
  const std::string digest(sha256_in(text));
  require(digest.empty() || digest.size() == 64);
  require(testing::reference_extract(text, "digest").has_value() ==
          (!digest.empty() || is_named_digest(text) || (from_base64(text) && from_base64(text)->size() == 32)));
  const std::string host = normal_host(text);
  require(host.size() <= host_room(text));
  require(!host_needs_work(host) || host.ends_with('.') || !is_ascii(host));
}

void codecs(const std::string& text) {
  if (const auto bytes = from_base64(text)) require(to_base64(*bytes) == text);
  if (const auto bytes = from_hex(text)) require(to_hex(*bytes) == testing::lower_case(text));
  require(from_base64(to_base64(text)) == text && from_hex(to_hex(text)) == text);
  std::string out(text.size(), '\0');
  require(unescape_json(text, out.data()).length <= text.size());
  if (!testing::is_utf8(text)) return;
  std::string quoted;
  append_json_string(quoted, text);
  const auto node = testing::read_tree(quoted, testing::TreeLimits{});
  require(node && node->text == text);
  out.assign(quoted.size(), '\0');
  out.resize(unescape_json(std::string_view(quoted).substr(1, quoted.size() - 2), out.data()).length);
  require(out == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 4096) return 0;
  const std::string text(reinterpret_cast<const char*>(data), size);
  times(text);
  numbers(text);
  extracts(text);
  codecs(text);
  return 0;
}
