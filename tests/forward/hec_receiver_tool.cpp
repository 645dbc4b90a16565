// hec_receiver_tool TOKEN [ack] [file=F] [poison=P] [port=N] [ack_delay_ms=N]: the receiver as a program, for tests.
#include <cstdlib>
#include <string>

#include "app/hec_receiver.hpp"

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  tidewaiter::app::HecReceiverCommandOptions options;
  options.receiver.indexer.token = argv[1];
  for (int i = 2; i < argc; ++i) {
    const std::string word = argv[i];
    const std::string value = word.substr(word.find('=') + 1);
    if (word == "ack") options.receiver.indexer.ack = true;
    if (word.starts_with("file=")) options.receiver.indexer.file = value;
    if (word.starts_with("poison=")) options.receiver.indexer.poison = value;
    if (word.starts_with("port=")) options.receiver.port = std::atoi(value.c_str());
    if (word.starts_with("ack_delay_ms=")) options.receiver.indexer.ack_delay_ms = std::atoi(value.c_str());
  }
  return tidewaiter::app::command_hec_receiver(options);
}
