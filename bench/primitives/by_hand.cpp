// What somebody writes who needs one format alone: the fields that become columns, taken with On-Demand in one walk of
// the keys in their usual order, and converted to what the columns hold (ns, addresses, numbers, words, digests).
// otlp_by_hand.cpp does so for OTLP.
#include <arpa/inet.h>
#include <openssl/evp.h>
#include <simdjson.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace tidewaiter::bench::primitives {
namespace {

namespace od = simdjson::ondemand;
using Text = std::string_view;

/// One event's columns; what they hold is added to a checksum.
struct Columns {
  std::array<Text, 24> texts{};
  std::array<std::uint64_t, 16> numbers{};
  std::array<std::array<unsigned char, 16>, 2> addresses{};
  std::array<char, 128> made{};  // texts put together

  std::uint64_t sum() const {
    std::uint64_t sum = addresses[0][15] + addresses[1][15];
    for (const Text text : texts) sum += text.size();
    for (const std::uint64_t number : numbers) sum += number;
    return sum;
  }
};

/// Visits the fields whose names are given, expecting them in this order.
template <std::size_t n, class Visit>
bool fields(od::object object, const char* const (&names)[n], Visit visit) {
  std::size_t guess = 0;
  for (auto field : object) {
    od::raw_json_string key;
    if (field.key().get(key)) return false;
    for (std::size_t tried = 0, at = guess; tried < n; ++tried, at = at + 1 == n ? 0 : at + 1) {
      if (!key.unsafe_is_equal(names[at])) continue;
      od::value value;
      if (field.value().get(value) || !visit(at, value)) return false;
      guess = at + 1 == n ? 0 : at + 1;
      break;
    }
  }
  return true;
}

bool take(od::value value, Text& text) { return !value.get_string().get(text); }

bool object_of(od::value value, od::object& object) { return !value.get_object().get(object); }

void address(Text text, std::array<unsigned char, 16>& out) {
  char buffer[64];
  const std::size_t size = text.copy(buffer, sizeof buffer - 1);
  buffer[size] = '\0';
  out = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  if (inet_pton(AF_INET, buffer, out.data() + 12) != 1) inet_pton(AF_INET6, buffer, out.data());
}

std::uint64_t digits(Text text) {
  std::uint64_t value = 0;
  for (const char c : text)
    if (c >= '0' && c <= '9') value = value * 10 + static_cast<std::uint64_t>(c - '0');
  return value;
}

/// "1777629600.82437" in ns.
std::uint64_t seconds_ns(Text token) {
  const std::size_t dot = token.find('.');
  std::uint64_t fraction = 0, unit = 100'000'000;
  if (dot != Text::npos)
    for (std::size_t i = dot + 1; i < token.size() && token[i] >= '0' && token[i] <= '9'; ++i, unit /= 10)
      fraction += static_cast<std::uint64_t>(token[i] - '0') * unit;
  return digits(token.substr(0, dot)) * 1'000'000'000 + fraction;
}

/// "2026-05-02T08:00:01Z" in ns.
std::uint64_t rfc3339_ns(Text text) {
  if (text.size() < 20) return 0;
  const std::uint64_t year = digits(text.substr(0, 4)), month = digits(text.substr(5, 2)), day = digits(text.substr(8, 2));
  const std::uint64_t shifted = year - (month <= 2), era = shifted / 400, of_era = shifted % 400;
  const std::uint64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  const std::uint64_t days = era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
  const std::uint64_t seconds =
      digits(text.substr(11, 2)) * 3600 + digits(text.substr(14, 2)) * 60 + digits(text.substr(17, 2));
  return (days * 86400 + seconds) * 1'000'000'000;
}

Text joined(Columns& columns, Text a, Text b, Text c = {}) {
  char* at = columns.made.data();
  for (const Text part : {a, b, c}) at += part.copy(at, 40);
  return {columns.made.data(), static_cast<std::size_t>(at - columns.made.data())};
}

class Digest {
 public:
  Digest() : digest_(EVP_MD_fetch(nullptr, "SHA256", nullptr)), context_(EVP_MD_CTX_new()) {}
  ~Digest() {
    EVP_MD_CTX_free(context_);
    EVP_MD_free(digest_);
  }
  std::uint64_t hex(Text text) {
    unsigned char bytes[32];
    EVP_DigestInit_ex2(context_, digest_, nullptr);
    EVP_DigestUpdate(context_, text.data(), text.size());
    EVP_DigestFinal_ex(context_, bytes, nullptr);
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < 32; ++i) {
      hex_[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
      hex_[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
      sum += static_cast<unsigned char>(hex_[2 * i]);
    }
    return sum;
  }

 private:
  EVP_MD* digest_;
  EVP_MD_CTX* context_;
  char hex_[64];
};

/// 1 when the text is a host's name in lower case.
std::uint64_t host_name(Text text) {
  bool letter = false, good = true;
  for (const char c : text) {
    letter |= (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
    good &= ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  }
  return letter && good;
}

std::uint64_t word_of(Text text, std::initializer_list<Text> words) {
  std::uint64_t number = 0;
  for (const Text word : words) {
    ++number;
    if (text == word) return number;
  }
  return 0;
}

bool zeek_conn(od::object root, Columns& to) {
  static constexpr const char* names[] = {"ts",         "uid",        "id.orig_h",  "id.orig_p",  "id.resp_h",
                                          "id.resp_p",  "proto",      "service",    "orig_bytes", "resp_bytes",
                                          "conn_state", "local_orig", "local_resp", "missed_bytes", "orig_pkts",
                                          "orig_ip_bytes", "resp_ip_bytes", "community_id"};
  Text proto, service, state;
  bool local_orig = false, local_resp = false;
  const bool good = fields(root, names, [&](std::size_t which, od::value value) {
    switch (which) {
      case 0: to.numbers[0] = seconds_ns(value.raw_json_token()); return true;
      case 1: return take(value, to.texts[0]);
      case 2: return take(value, to.texts[1]);
      case 3: return !value.get_uint64().get(to.numbers[1]);
      case 4: return take(value, to.texts[2]);
      case 5: return !value.get_uint64().get(to.numbers[2]);
      case 6: return take(value, proto);
      case 7: return take(value, service);
      case 8: return !value.get_uint64().get(to.numbers[3]);
      case 9: return !value.get_uint64().get(to.numbers[4]);
      case 10: return take(value, state);
      case 11: return !value.get_bool().get(local_orig);
      case 12: return !value.get_bool().get(local_resp);
      case 13: return !value.get_uint64().get(to.numbers[5]);
      case 14: return !value.get_uint64().get(to.numbers[6]);
      case 15: return !value.get_uint64().get(to.numbers[7]);
      case 16: return !value.get_uint64().get(to.numbers[8]);
      default: return take(value, to.texts[3]);
    }
  });
  address(to.texts[1], to.addresses[0]);
  address(to.texts[2], to.addresses[1]);
  to.texts[4] = service.empty() ? proto : service;
  to.texts[5] = state;
  to.texts[6] = joined(to, to.texts[0], "/conn");
  to.numbers[9] = word_of(state, {"SF", "S0", "SH", "RSTOS0", "REJ", "RSTO", "RSTR", "RSTRH"});
  to.numbers[10] = word_of(service, {"http", "ssl", "dns", "ssh", "smtp", "ftp", "grpc", "mysql", "postgresql"});
  to.numbers[11] = local_orig ? (local_resp ? 1 : 2) : local_resp ? 3 : 0;
  return good && !to.texts[0].empty() && !to.texts[1].empty();
}

bool identity(od::object object, Columns& to, Digest& digest, Text& type) {
  static constexpr const char* names[] = {"type", "principalId", "arn", "accountId", "userName", "accessKeyId",
                                          "sessionContext", "invokedBy", "identityProvider"};
  Text other;
  return fields(object, names, [&](std::size_t which, od::value value) {
    od::object inner;
    switch (which) {
      case 0: return take(value, type);
      case 2: return take(value, to.texts[1]);
      case 5: {
        if (!take(value, other)) return false;
        to.numbers[1] = digest.hex(other);
        return true;
      }
      case 6: {
        static constexpr const char* session[] = {"sessionIssuer", "sourceIdentity"};
        return object_of(value, inner) && fields(inner, session, [&](std::size_t part, od::value one) {
          if (part == 1) return take(one, to.texts[2]);
          static constexpr const char* issuer[] = {"arn"};
          od::object of_issuer;
          return object_of(one, of_issuer) && fields(of_issuer, issuer, [&](std::size_t, od::value arn) {
            return take(arn, other);
          });
        });
      }
      default: return take(value, other);
    }
  });
}

bool parameters(od::value value, Columns& to) {
  static constexpr const char* names[] = {"bucketName", "key", "secretId", "modelId", "functionName", "tableName",
                                          "instanceId", "instancesSet", "roleArn", "roleName", "userName", "keyId", "Host",
                                          "dBClusterSnapshotIdentifier", "dBClusterIdentifier", "volumeId", "keyName",
                                          "fileSystemId", "detectorId", "stackSetName", "policyName", "logStreamName",
                                          "alarmName", "trafficMirrorFilterId"};
  od::object object;
  if (value.get_object().get(object)) return true;  // null
  return fields(object, names, [&](std::size_t which, od::value one) {
    if (which != 7) return take(one, to.texts[which == 12 ? 10 : which == 1 ? 9 : 8]);
    od::array items;
    od::value first;
    if (one["items"].get_array().get(items)) return false;
    for (auto item : items)
      if (to.texts[8].empty() && item["instanceId"].get_string().get(to.texts[8])) return false;
    return true;
  });
}

bool resources(od::value value, Columns& to) {
  od::array list;
  if (value.get_array().get(list)) return true;
  for (auto one : list) {
    static constexpr const char* names[] = {"type", "ARN"};
    od::object object;
    if (one.get_object().get(object)) return false;
    const bool first = to.numbers[2]++ == 0;
    Text text;
    if (!fields(object, names, [&](std::size_t which, od::value part) { return take(part, first ? to.texts[3 + which] : text); }))
      return false;
  }
  return true;
}

std::uint64_t action_of(Text name) {
  for (const Text verb : {"Get", "Head", "Describe", "Lookup", "BatchGet"})
    if (name.substr(0, verb.size()) == verb) return 2;
  for (const Text verb : {"List", "Search"})
    if (name.substr(0, verb.size()) == verb) return 5;
  for (const Text verb : {"Delete", "Terminate", "Remove", "Deregister", "Purge"})
    if (name.substr(0, verb.size()) == verb) return 4;
  for (const Text verb : {"Create", "RunInstances", "PutObject", "Allocate", "Import", "Register"})
    if (name.substr(0, verb.size()) == verb) return 1;
  return name.substr(0, 10) == "AssumeRole" ? 6 : 3;
}

bool cloudtrail(od::object root, Columns& to, Digest& digest) {
  static constexpr const char* names[] = {"eventVersion", "userIdentity", "eventTime", "eventSource", "eventName",
                                          "sourceIPAddress", "errorCode", "requestParameters", "additionalEventData",
                                          "requestID", "eventID", "readOnly", "resources", "recipientAccountId",
                                          "tlsDetails"};
  Text version, type, time, source, error;
  bool read_only = false;
  const bool good = fields(root, names, [&](std::size_t which, od::value value) {
    od::object inner;
    switch (which) {
      case 0: return take(value, version);
      case 1: return object_of(value, inner) && identity(inner, to, digest, type);
      case 2: return take(value, time);
      case 3: return take(value, source);
      case 4: return take(value, to.texts[0]);
      case 5: return take(value, to.texts[5]);
      case 6: return take(value, error);
      case 7: return parameters(value, to);
      case 8: {
        static constexpr const char* bytes[] = {"bytesTransferredIn", "bytesTransferredOut"};
        return object_of(value, inner) && fields(inner, bytes, [&](std::size_t way, od::value one) {
          double number = 0;
          if (one.get_double().get(number)) return false;
          to.numbers[3 + way] = static_cast<std::uint64_t>(number);
          return true;
        });
      }
      case 9: return take(value, to.texts[6]);
      case 10: return take(value, to.texts[7]);
      case 11: return !value.get_bool().get(read_only);
      case 12: return resources(value, to);
      case 13: return take(value, to.texts[16]);
      default: {
        static constexpr const char* details[] = {"tlsVersion", "clientProvidedHostHeader"};
        return object_of(value, inner) && fields(inner, details, [&](std::size_t part, od::value one) {
          return take(one, to.texts[11 + part]);
        });
      }
    }
  });
  to.numbers[0] = rfc3339_ns(time);
  address(to.texts[5], to.addresses[0]);
  to.texts[13] = source.substr(0, source.find('.'));
  to.texts[14] = source;
  if (to.texts[4].empty() && !to.texts[9].empty()) to.texts[4] = joined(to, to.texts[8], "/", to.texts[9]);
  if (type == "AssumedRole") to.texts[15] = to.texts[1].substr(to.texts[1].rfind('/') + 1);
  to.numbers[5] = word_of(type, {"IAMUser", "Root", "AssumedRole", "AWSService", "AWSAccount", "Role"});
  to.numbers[6] = action_of(to.texts[0]);
  to.numbers[7] = error.empty() ? 1 : error.find("AccessDenied") != Text::npos || error.find("Unauthorized") != Text::npos ? 2 : 3;
  to.numbers[8] = host_name(to.texts[5]) + host_name(to.texts[12]) + word_of(to.texts[3], {"AWS::S3::Object", "AWS::S3::Bucket"});
  to.numbers[9] = read_only;
  return good && version.substr(0, 2) == "1." && !to.texts[0].empty() && !source.empty();
}

template <class Take>
std::uint64_t each_document(const char* bytes, const std::uint64_t* begin, const std::uint32_t* size, std::size_t count,
                            Take one) {
  od::parser parser;
  std::uint64_t check = 1;
  for (std::size_t i = 0; i < count; ++i) {
    od::document document;
    od::object root;
    const simdjson::padded_string_view text(bytes + begin[i], size[i], size[i] + simdjson::SIMDJSON_PADDING);
    if (parser.iterate(text).get(document) || document.get_object().get(root) || !one(root, check)) return 0;
  }
  return check;
}

}  // namespace

std::uint64_t zeek_conn_by_hand(const char* bytes, const std::uint64_t* begin, const std::uint32_t* size,
                                std::size_t count, std::uint64_t& events) {
  return each_document(bytes, begin, size, count, [&](od::object root, std::uint64_t& check) {
    Columns columns;
    ++events;
    const bool good = zeek_conn(root, columns);
    check += columns.sum();
    return good;
  });
}

std::uint64_t cloudtrail_by_hand(const char* bytes, const std::uint64_t* begin, const std::uint32_t* size,
                                 std::size_t count, std::uint64_t& events) {
  Digest digest;
  return each_document(bytes, begin, size, count, [&](od::object root, std::uint64_t& check) {
    Columns columns;
    ++events;
    const bool good = cloudtrail(root, columns, digest);
    check += columns.sum();
    return good;
  });
}

}  // namespace tidewaiter::bench::primitives
