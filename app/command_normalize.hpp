// `tidewaiter normalize`, `tidewaiter formats`, `tidewaiter explain-mapping`: what becomes of a message, tried without a
// store or Kafka. Exit codes as of app/command_store.hpp; normalize answers 1 when a message was rejected.
#pragma once

#include <string>
#include <vector>

namespace tidewaiter::app {

struct NormalizeOptions {
  std::vector<std::string> files;           // none, or "-", is stdin
  std::string format = "auto";
  std::vector<std::string> mappings;        // files beside the built-in ones
  std::vector<std::string> headers;         // NAME=VALUE, as Kafka would carry them
  std::string received;                     // RFC 3339; "" = now
  bool strict = false;
  bool unmask = false;
};
/// One canonical event a line to stdout; rejects, with reason and place, to stderr.
int command_normalize(const NormalizeOptions& options);

struct FormatsOptions {
  std::string name;                         // one format with its example; "" = the list
  std::vector<std::string> mappings;
  bool json = false;
};
int command_formats(const FormatsOptions& options);

struct ExplainMappingOptions {
  std::string mapping;                      // a file, or the name of a built-in format
  std::string sample;
  std::vector<std::string> headers;
  bool json = false;
};
/// For each column of each event the path that it came from, and the keys of the sample that nothing reads.
int command_explain_mapping(const ExplainMappingOptions& options);

}  // namespace tidewaiter::app
