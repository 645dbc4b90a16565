#include "core/sampling.hpp"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/sha256.hpp"
#include "core/text.hpp"

namespace tidewaiter {
namespace {

using Json = nlohmann::json;

constexpr std::string_view key_words[] = {"principal", "principal_destination", "event"};
constexpr RiskTier sampled_tiers[] = {RiskTier::unknown, RiskTier::low, RiskTier::medium};

// FNV-1a, 64 bit (Fowler, Noll and Vo), over each part and a zero byte behind it ...
constexpr std::uint64_t fnv_start = 0xcbf29ce484222325;
std::uint64_t absorb(std::uint64_t state, std::string_view part) {
  constexpr std::uint64_t prime = 0x100000001b3;
  for (const char c : part) state = (state ^ static_cast<unsigned char>(c)) * prime;
  return state * prime;
}

// ... and the finalizer of MurmurHash3 (Appleby), which spreads it over all bits.
std::uint64_t spread(std::uint64_t state) {
  state = (state ^ state >> 33) * 0xff51afd7ed558ccd;
  state = (state ^ state >> 33) * 0xc4ceb9fe1a85ec53;
  return state ^ state >> 33;
}

std::uint64_t hash_of(std::uint64_t state, std::initializer_list<std::string_view> parts) {
  for (const std::string_view part : parts) state = absorb(state, part);
  return spread(state);
}

Error wrong(const std::string& key, const std::string& what) { return fail(Code::invalid_argument, key + ": " + what); }

Result<void> check_keys(const Json& object, const std::string& path, std::initializer_list<std::string_view> known) {
  for (const auto& [key, unused] : object.items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    const std::vector<std::string_view> words(known);
    const std::string_view near = nearest_word(key, words);
    return wrong(path + key, "unknown key" + (near.empty() ? std::string() : "; did you mean '" + std::string(near) + "'?"));
  }
  return {};
}

Result<double> rate_of(const Json& tier, const std::string& path, const char* key) {
  const auto found = tier.find(key);
  if (found == tier.end()) return 1.0;
  const double rate = found->is_number() ? found->get<double>() : 0;
  if (!(rate >= Sampling::rate_min && rate <= 1))
    return wrong(path + key, "expected a share from 0.001 to 1, found " + found->dump() +
                                 "; what nobody wants forwarded at all is left out by select.events of the connector");
  return rate;
}

std::string_view text_member(const Json& object, const char* key, std::string_view fallback) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? std::string_view(found->get_ref<const std::string&>()) : fallback;
}

bool plain_seed(std::string_view seed) {
  return seed.size() <= 64 && std::all_of(seed.begin(), seed.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
         });
}

}  // namespace

Sampling::Sampling() : seeded_(absorb(fnv_start, {})) {}

Result<Sampling> Sampling::parse(std::string_view json) {
  Sampling sampling;
  if (json.empty()) return sampling;
  const Json object = Json::parse(json, nullptr, false);
  if (!object.is_object()) return wrong("sampling", "expected an object");
  TRY(check_keys(object, "", {"tiers", "forward_key", "seed"}));
  const Json tiers = object.value("tiers", Json::object());
  if (!tiers.is_object()) return wrong("tiers", "expected an object of risk tiers");
  for (const auto& [word, tier] : tiers.items()) {
    const std::string path = "tiers." + word;
    const auto number = enums::risk_tier.find(word);
    if (!number) return wrong(path, "is no risk tier; unknown, low and medium may be sampled");
    if (std::ranges::count(sampled_tiers, static_cast<RiskTier>(*number)) == 0)
      return wrong(path, "events of this tier are never sampled; only unknown, low and medium may be");
    if (!tier.is_object()) return wrong(path, "expected scoring_rate, forward_rate or both");
    TRY(check_keys(tier, path + ".", {"scoring_rate", "forward_rate"}));
    TRY_ASSIGN(sampling.rates_[*number].scoring, rate_of(tier, path + ".", "scoring_rate"));
    TRY_ASSIGN(sampling.rates_[*number].forward, rate_of(tier, path + ".", "forward_rate"));
  }
  const auto key = std::ranges::find(key_words, text_member(object, "forward_key", object.contains("forward_key") ? "" : key_words[0]));
  if (key == std::end(key_words)) return wrong("forward_key", "expected principal, principal_destination or event");
  sampling.forward_key_ = static_cast<Key>(key - std::begin(key_words));
  const std::string_view seed = text_member(object, "seed", object.contains("seed") ? " " : "");
  if (!plain_seed(seed)) return wrong("seed", "expected up to 64 letters, digits, '-', '_' or '.'");
  sampling.seeded_ = absorb(fnv_start, seed);
  const bool any = std::ranges::any_of(sampling.rates_, [](const Rates& r) { return r.scoring < 1 || r.forward < 1; });
  if (any) sampling.text_ = object.dump();
  return sampling;
}

std::optional<Sampling> Sampling::of_record(std::string_view value) {
  if (!value.starts_with(R"({"type":"policy")")) return std::nullopt;
  const Json record = Json::parse(value, nullptr, false);
  if (!record.is_object() || !record.contains("content") || !record["content"].is_object()) return std::nullopt;
  const Json& policy = record["content"];
  auto parsed = parse(policy.contains("sampling") ? policy["sampling"].dump() : std::string());
  if (!parsed) return std::nullopt;
  return std::move(*parsed);
}

bool Sampling::in_sample(std::uint64_t hash, double rate) {
  return rate >= 1 || hash < static_cast<std::uint64_t>(std::ldexp(rate, 64));
}

std::uint64_t Sampling::principal_hash(const Event& event) const {
  return hash_of(seeded_, {event.get(Str::tenant), event.get(Str::principal)});
}

std::uint64_t Sampling::forward_hash(const Record& record, const Event& event) const {
  if (forward_key_ == Key::event || !event.has(Str::principal))
    return hash_of(seeded_, {to_hex(as_view(event_uid(record, event.sub)))});
  if (forward_key_ == Key::principal) return principal_hash(event);
  const Ip* address = event.get(Addr::dst_ip);
  const std::string destination = event.has(Str::dst_host) ? std::string(event.get(Str::dst_host))
                                  : address != nullptr     ? format_ip(*address)
                                                           : std::string();
  return hash_of(seeded_, {event.get(Str::tenant), event.get(Str::principal), destination});
}

}  // namespace tidewaiter
