// A mapping that uses every word of the language, for what the built-in ones leave out, and messages for it.
#include "tests/ingest/differential.hpp"

namespace tidewaiter::ingest::testing {

const char* const all_words_mapping = R"json({
 "format": "all_words",
 "number": 9999,
 "version": 1,
 "events": ["", "rows[]", "wrap{json}", "pack{base64_json}.list[]"],
 "detect": {"any": [["k"], [{"path": "kind", "is": ["*x*", "y*", "*z"]}, {"absent": "^.not"}]], "unless": [{"path": "k", "starts": "no"}]},
 "fields": {
  "resource": ["l[0].a", "l[-1].a", "l[].a", "(p|q).(r|s)", "s{json}.a", "s{base64_json}.a", "s.a", "m{kv}.a", "m.a", "m[0].key", "n{kv:name}.b", "n[-1].name"],
  "app": ["l[1]", "l[]"],
  "tenant": "/t.u",
  "owner": "^.o",
  "role": "^^.r",
  "operation": {"paths": ["a", "=-", "b"], "with": "", "some": true},
  "correlation": {"paths": ["a", "b"]},
  "session": {"path": "text", "separator": "/", "segment": -2},
  "rule": {"path": "text", "separator": "/", "segment": 1, "table": {"a*": "A", "*b": "=", "c": "", "*d*": "D", "*": "other"}},
  "tool.args_hash": {"path": "args", "as": "hash"},
  "tool.args_size": {"path": "args", "as": "size"},
  "tool.call_id": {"paths": ["=call:", "args", "a"], "as": "hash"},
  "resource_count": [{"path": "parts", "pick": [{"id": "main"}], "as": "count"}, {"path": "parts", "pick": [1, "sums", {"alg": "=SHA256"}], "as": "count"}, {"path": "l", "as": "count"}],
  "data_classes": "classes",
  "capability.scopes": [{"path": "scopes", "as": "words"}, {"path": "scopes", "as": "join"}],
  "src_ip": {"path": "tuple", "as": "tuple_src_ip"},
  "src_port": {"path": "tuple", "as": "tuple_src_port"},
  "dst_ip": ["ip", {"path": "endpoint", "as": "endpoint_ip"}, {"path": "tuple", "as": "tuple_dst_ip"}],
  "dst_port": [{"path": "endpoint", "as": "endpoint_port"}, {"path": "url", "as": "url_port"}, {"path": "tuple", "as": "tuple_dst_port"}],
  "dst_host": [{"path": "url", "as": "url_host"}, {"path": "endpoint", "as": "endpoint_host"}, {"path": "host", "as": "host"}],
  "src_host": {"path": "host", "as": "host_name"},
  "provenance.artifact_digest": {"path": "digest", "as": "digest"},
  "trace_id": [{"path": "trace", "as": "hex_of_base64"}, {"path": "id", "as": "hex_id"}],
  "span_id": {"path": "id", "as": "other_id"},
  "time": [{"path": "t1", "form": "rfc3339"}, {"path": "t2", "form": "s"}, {"path": "t3", "form": "ms"}, {"path": "t4", "form": "us"}, {"path": "t5", "form": "ns"}, {"path": "t6", "form": "float_s"}, {"path": "t7", "form": "civil"}],
  "observed_time": {"path": "t8", "form": "any"},
  "bytes_out": "n1",
  "activity_id": "n2",
  "source_id": {"path": "@raw", "as": "hash"},
  "principal": ["header:principal", {"path": "who", "flag": "self_asserted", "as": "lower"}],
  "action": {"value": "send", "when": {"path": "state", "is": ["paid", "re*"]}},
  "outcome": {"which": {"good": "success", "bad": "failure"}},
  "template": {"path": "parts", "pick": [{"id": "main"}, "sums", {"alg": "=SHA256"}, "value"]},
  "cost_centre": {"path": "parts", "pick": [{"id": {"path": "links", "pick": [{"kind": "=about"}, "to", 0]}}, "name"], "table": {"x*": "X", "*": "="}},
  "l7": "proto"
 },
 "marks": [{"flag": "stage_partial", "when": ["part", {"path": "part", "not": "whole"}]}],
 "ignore": ["ignored", "m[0].z"],
 "defaults": {"family": "runtime", "principal": "unknown", "class_uid": 6003}
})json";

const std::vector<std::string>& all_words_messages() {
  static const std::vector<std::string> messages = {
      R"json({"k": 1, "l": [{"a": "first"}, {"a": "last"}], "t": {"u": "t"}, "a": "A", "b": "B", "text": "x/ab/c", "args": {"y": [1, 2]}, "classes": ["pii", "odd"], "scopes": ["r", "w"], "tuple": "10.0.0.1:1->[::1]:2", "endpoint": "api.example:443", "url": "https://u@H.example/x", "host": "Host.Example.", "digest": "sha256:0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a", "trace": "AAEC", "t1": "2026-03-04T05:06:07.5Z", "t8": 1780000000123, "n1": "4364", "n2": 7, "who": "Alice", "state": "repaid", "good": true, "proto": "http", "part": "half", "ignored": "x"})json",
      R"json({"o": "own", "t": {"u": "t"}, "r": "role", "rows": [{"k": 1, "q": {"s": "qs"}, "t2": 1780000000}, {"kind": "axb", "s": "{\"a\": \"in\"}", "t3": "1780000000123"}, 5, {"other": 1}, {"k": "not"}], "o2": 1})json",
      R"json({"o": "own", "wrap": "{\"k\": 2, \"s\": \"eyJhIjoiaW42NCJ9\", \"m\": [{\"key\": \"z\", \"value\": 1}, {\"value\": {\"stringValue\": \"ma\"}, \"key\": \"a\"}], \"t4\": 1780000000123456, \"bad\": 0}"})json",
      R"json({"pack": "eyJsaXN0IjpbeyJraW5kIjoieWVzIiwibSI6eyJhIjoibWFwIn0sInQ1IjoiMTc4MDAwMDAwMDEyMzQ1Njc4OSJ9LHsiayI6MSwibiI6W3sibmFtZSI6ImIiLCJpbnRWYWx1ZSI6IjUifSx7Im5hbWUiOiJjIn1dLCJ0NiI6MTc4MDAwMDAwMC4yNSwiaXAiOiI6OmZmZmY6MTAuMC4wLjkifV0sIm8iOiJpbnNpZGUifQ==", "r": "role"})json",
      R"json({"k": 1, "s": {"a": "in place"}, "l": ["x", "y"], "t7": "2026-03-04 05:06:07 +0200", "id": "00000000000000AB", "scopes": " one,two , three\t"})json",
      R"json({"k": 1, "p": {"s": "ps"}, "q": {"r": "qr"}, "m": [{"key": "only"}], "args": "text", "id": 340282366920938463463374607431768211455, "t8": "1.780000000123e12"})json",
      R"json({"k": 1, "main": "p2", "parts": [{"id": "p1", "name": "one"}, 5, {"id": "p2", "name": "tw\"o", "sums": [{"value": "a", "alg": "MD5"}, {"alg": "SHA256", "value": "b\u0062"}]}], "links": [{"kind": "on", "to": ["p1"]}, {"to": ["p2", "p1"], "kind": "about"}]})json",
      R"json({"k": 1, "main": 7, "parts": [{"id": "p1", "id": "7", "name": "xyz"}, {"name": true, "id": 7, "sums": {"alg": "SHA256"}}], "links": {"kind": "about"}, "parts2": 1})json",
      R"json({"wrap": "plain words", "k": "v"})json",
      R"json({"pack": "cGxhaW4gd29yZHM=", "k": 1, "parts": [0, {"sums": [{"alg": "SHA256"}, {"alg": "SHA1"}, {"alg": "SHA256"}]}]})json",
      R"json({"pack": "eyJsaXN0Ijpb", "k": 1})json",
      R"json({"k": "no"})json",
      R"json({"kind": "x", "not": 1})json"};
  return messages;
}

}  // namespace tidewaiter::ingest::testing
