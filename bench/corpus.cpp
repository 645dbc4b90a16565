#include "bench/corpus.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "app/generator.hpp"
#include "core/body.hpp"

namespace tidewaiter::bench {
namespace {

struct Head {
  std::uint32_t key_size, value_size, partition, unused;
  std::int64_t delivery_ns;
};

Error disk_error(const char* what) {
  return fail(Code::disk, std::string("corpus file: ") + what + ": " + std::strerror(errno));
}

bool write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t made = ::write(file, bytes.data(), bytes.size());
    if (made <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(made));
  }
  return true;
}

}  // namespace

Result<std::unique_ptr<Corpus>> Corpus::make(const std::string& directory, std::uint64_t events, std::uint64_t seed,
                                             std::uint32_t days) {
  std::string path = directory + "/tidewaiter-bench-corpus-XXXXXX";
  const int file = ::mkostemp(path.data(), O_CLOEXEC);
  if (file < 0) return disk_error("create");
  ::unlink(path.c_str());
  std::unique_ptr<Corpus> corpus(new Corpus);
  app::GeneratorConfig config;
  config.events = events;
  config.seed = seed;
  config.days = days;
  app::Generator generator(config);
  app::Message message;
  std::string buffer;
  bool good = true;
  while (good && generator.next(message)) {
    const std::string_view value = message.value.value_or(std::string_view());
    const Head head{static_cast<std::uint32_t>(message.key.size()), static_cast<std::uint32_t>(value.size()),
                    message.partition_hash % partitions, 0, message.delivery_ns};
    buffer.append(reinterpret_cast<const char*>(&head), sizeof head).append(message.key).append(value);
    corpus->value_bytes_ += value.size();
    ++corpus->events_;
    if (buffer.size() > (4 << 20)) {
      good = write_all(file, buffer);
      corpus->size_ += buffer.size();
      buffer.clear();
    }
  }
  buffer.append(64, '\0');
  corpus->size_ += buffer.size();
  if (!good || !write_all(file, buffer)) {
    ::close(file);
    return disk_error("write");
  }
  void* memory = ::mmap(nullptr, corpus->size_, PROT_READ, MAP_SHARED | MAP_POPULATE, file, 0);
  ::close(file);
  if (memory == MAP_FAILED) return disk_error("map");
  corpus->bytes_ = static_cast<const char*>(memory);
  return corpus;
}

void Corpus::map_again() const { ::madvise(const_cast<char*>(bytes_), size_, MADV_POPULATE_READ); }

Corpus::~Corpus() {
  if (bytes_ != nullptr) ::munmap(const_cast<char*>(bytes_), size_);
}

bool Corpus::Reader::next(CorpusMessage& message) {
  if (at_ + sizeof(Head) + 64 > corpus_->size_) return false;
  Head head;
  std::memcpy(&head, corpus_->bytes_ + at_, sizeof head);
  at_ += sizeof head;
  message.key = {corpus_->bytes_ + at_, head.key_size};
  message.value = {corpus_->bytes_ + at_ + head.key_size, head.value_size};
  at_ += head.key_size + head.value_size;
  message.delivery_ns = head.delivery_ns;
  message.partition = head.partition;
  message.offset = offsets_[head.partition]++;
  return true;
}

const Origin* Corpus::origin() {
  static const Origin* origin = [] {
    TopicId id{};
    id[0] = 0xbe;
    return intern_origin("bench-cluster", id, "events");
  }();
  return origin;
}

std::unique_ptr<Batch> Corpus::next_batch(Reader& reader, std::size_t bytes, std::int64_t receive_ns) {
  auto batch = std::make_unique<Batch>(bytes + bytes / 2 + 65536);  // room for derived text, as ingest's own batches
  batch->records.reserve(bytes / 512);
  static const std::vector<Header> headers = {
      {"content-type", std::string_view("application/cloudevents+json; charset=UTF-8")}};
  BodyParts parts;
  parts.headers = headers;
  parts.receive_time_ns = receive_ns;
  CorpusMessage message;
  while (batch->arena.used_bytes() < bytes && reader.next(message)) {
    parts.key = message.key;
    parts.value = message.value;
    parts.kafka_time_ms = message.delivery_ns / 1'000'000;
    append_message(*batch, origin(), message.partition, message.offset, -1, parts);
    ++batch->read;
  }
  if (batch->records.empty()) return nullptr;
  return batch;
}

}  // namespace tidewaiter::bench
