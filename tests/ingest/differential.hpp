// The parser, in strict mode, against the reference reader, on the built-in mappings and on one that uses every word of
// the language.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ingest/parser.hpp"
#include "tests/ingest/reference_reader/reader.hpp"

namespace tidewaiter::ingest::testing {

class Differential {
 public:
  Differential();

  const std::vector<std::string>& formats() const { return names_; }

  /// What the parser says of the message and the reference does not; "" when they agree. Once as a message of a topic
  /// with this format alone, once of a topic where the shape decides.
  std::string difference(const std::string& format, const Message& message);

  /// Messages so far by what became of them, and events with each flag.
  struct Seen {
    std::uint64_t events = 0, unmapped = 0, rejects = 0, duplicate_keys = 0, replaced = 0, several_events = 0;
  };
  const Seen& seen() const { return seen_; }

  /// "NAME[TAB HEADER=VALUE]...\nMESSAGE", as kept inputs are written.
  static std::string written(const std::string& format, const Message& message);
  /// The format is one of `formats()`, whatever the text says.
  std::string read(std::string_view text, Message& message) const;

 private:
  Reading parsed(const std::string& topic, const Message& message);
  Reading by_format(const ReferenceMapping& mapping, const Message& message) const;
  Reading by_shape(const Message& message, bool opened = false);
  void count(const Reading& reading);

  std::vector<std::string> names_;
  std::vector<ReferenceMapping> mappings_;
  std::unique_ptr<Parser> parser_;
  Seen seen_;
  std::size_t last_fit_ = 0;      // of the topic where the shape decides
  std::uint32_t partition_ = 0;   // a new one each time: header lines are remembered by partition
};

extern const char* const all_words_mapping;
const std::vector<std::string>& all_words_messages();

/// The lines of tests/ingest/formats/NAME/input.jsonl, or those of all_words, with the headers that expected.jsonl names.
std::vector<Message> example_messages(const std::string& folder, const std::string& name);

}  // namespace tidewaiter::ingest::testing
