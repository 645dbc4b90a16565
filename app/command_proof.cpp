// `tidewaiter prove` and `verify-proof`: one reads the store, the other nothing but the files it is given.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "app/command_store.hpp"
#include "app/text_table.hpp"
#include "core/body.hpp"
#include "core/text.hpp"
#include "store/proof_file.hpp"

namespace tidewaiter::app {

namespace {

/// Whole or not at all: under another name first, then renamed.
Result<void> write_file(const std::string& path, std::string_view bytes) {
  const std::string part = path + ".part";
  const int fd = ::open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return fail(Code::disk, path + " cannot be written: " + std::strerror(errno));
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::write(fd, bytes.data() + done, bytes.size() - done);
    if (n <= 0) break;
    done += static_cast<std::size_t>(n);
  }
  const bool closed = ::close(fd) == 0;
  if (done == bytes.size() && closed && ::rename(part.c_str(), path.c_str()) == 0) return {};
  const std::string why = std::strerror(errno);
  ::unlink(part.c_str());
  return fail(Code::disk, path + " cannot be written: " + why);
}

/// The head that would cover the record is still to come: when?
int say_not_covered(const ProveOptions& options, const store::NotCovered& state) {
  const std::int64_t interval_ns = options.checkpoint_interval_ms * 1'000'000;
  const std::string head = state.head_time_ns ? "the newest signed head of " + options.log + " is of " +
                                                    format_rfc3339(state.head_time_ns) + " and covers " +
                                                    grouped(state.covered) + " records"
                                              : "the log " + options.log + " has no signed head yet";
  const std::string due = state.head_time_ns && interval_ns
                              ? "the next head is due at " + format_rfc3339(state.head_time_ns + interval_ns)
                              : "the next head comes with the running service's next checkpoint (by default within a second "
                                "of the record), or with the one at its clean stop";
  if (options.json) {
    std::string out = "{\"proven\":false,\"reason\":\"not_covered\",\"covered\":" + std::to_string(state.covered);
    if (state.head_time_ns) out += ",\"head_time\":\"" + format_rfc3339(state.head_time_ns) + "\"";
    if (state.head_time_ns && interval_ns)
      out += ",\"next_head_due\":\"" + format_rfc3339(state.head_time_ns + interval_ns) + "\"";
    std::puts((out + "}").c_str());
  }
  std::fprintf(stderr, "no proof yet: %s; %s\n", head.c_str(), due.c_str());
  return exit_finding;
}

std::string leaf_text(const store::ProofVerdict& verdict) {
  const store::LeafFields& leaf = verdict.leaf;
  std::string out = std::string("kind ") + record_kind_name(leaf.kind);
  if (is_own(leaf.kind)) return out + ", written by store " + leaf.cluster;
  return out + ", cluster " + leaf.cluster + ", topic id " +
         to_hex({reinterpret_cast<const char*>(leaf.topic_id.data()), leaf.topic_id.size()}) + ", partition " +
         std::to_string(leaf.partition) + ", offset " + std::to_string(leaf.offset);
}

std::string verdict_json(const store::ProofVerdict& verdict) {
  const store::LeafFields& leaf = verdict.leaf;
  std::string out = "{\"proven\":true,\"origin\":";
  append_json_string(out, verdict.origin);
  out += ",\"size\":" + std::to_string(verdict.size) + ",\"index\":" + std::to_string(verdict.index) + ",\"root\":\"" +
         to_base64(as_view(verdict.root)) + "\",\"body_checked\":" + (verdict.body_checked ? "true" : "false") +
         ",\"leaf\":{\"kind\":\"" + record_kind_name(leaf.kind) + "\",\"cluster\":";
  append_json_string(out, leaf.cluster);
  out += ",\"topic_id\":\"" + to_hex({reinterpret_cast<const char*>(leaf.topic_id.data()), leaf.topic_id.size()}) +
         "\",\"partition\":" + std::to_string(leaf.partition) + ",\"offset\":" + std::to_string(leaf.offset) +
         ",\"commitment\":\"" + to_hex(as_view(leaf.commitment)) + "\"}}";
  return out;
}

int refused(const Error& error, bool json) {
  if (error.code == Code::invalid_argument) return report_error(error, json);
  if (json) {
    std::string out = "{\"proven\":false,\"reason\":";
    append_json_string(out, error.message);
    std::puts((out + "}").c_str());
  }
  std::fprintf(stderr, "NOT PROVEN: %s\n", error.message.c_str());
  return exit_finding;
}

}  // namespace

int command_prove(const ProveOptions& options) {
  if (options.output.empty())
    return report_error(fail(Code::invalid_argument, "give the file to write the proof to with -o FILE"), options.json);
  const auto reader = open_store(options.store);
  if (!reader) return report_error(reader.error(), options.json);
  const auto log = find_log(**reader, options.log);
  if (!log) return report_error(log.error(), options.json);
  const auto made = store::make_proof(**reader, *log, options.seq);
  if (!made) return report_error(made.error(), options.json);
  if (made->not_covered) return say_not_covered(options, *made->not_covered);
  const bool whole = !made->file.salt.empty();
  if (auto written = write_file(options.output, made->file.text()); !written)
    return report_error(written.error(), options.json);
  const std::string record = options.output + ".record";
  if (whole)
    if (auto written = write_file(record, made->body); !written) return report_error(written.error(), options.json);

  if (options.json) {
    std::string out = "{\"proven\":true,\"proof\":";
    append_json_string(out, options.output);
    if (whole) {
      out += ",\"record\":";
      append_json_string(out, record);
    }
    std::puts((out + ",\"log\":\"" + options.log + "\",\"seq\":" + std::to_string(options.seq) + "}").c_str());
    return exit_ok;
  }
  std::printf("proof of %s %s in %s%s\n", options.log.c_str(), grouped(options.seq).c_str(), options.output.c_str(),
              whole ? (", its bytes in " + record).c_str() : "; its bytes were erased");
  std::printf("check it anywhere with: tidewaiter verify-proof %s --public-key KEY\n",
              shell_quoted(options.output).c_str());
  return exit_ok;
}

int command_verify_proof(const VerifyProofOptions& options) {
  const auto key = store::load_trusted_key(options.public_key_file);
  if (!key) return report_error(fail(Code::invalid_argument, key.error().message), options.json);
  const auto text = read_text_file(options.file);
  if (!text) return report_error(text.error(), options.json);
  std::string record = options.record;
  if (record.empty() && std::filesystem::exists(options.file + ".record")) record = options.file + ".record";
  std::optional<std::string> body;
  if (!record.empty()) {
    auto bytes = read_text_file(record);
    if (!bytes) return report_error(bytes.error(), options.json);
    body = std::move(*bytes);
  }
  const auto verdict = store::verify_proof(*text, body ? std::optional<std::string_view>(*body) : std::nullopt, *key);
  if (!verdict) return refused(verdict.error(), options.json);
  if (options.json) {
    std::puts(verdict_json(*verdict).c_str());
    return exit_ok;
  }
  std::printf("%s: record %s of the log %s, under a signed head of %s records\n",
              verdict->body_checked ? "proven" : "leaf proven, body not shown", grouped(verdict->index).c_str(),
              printable_text(verdict->origin).c_str(), grouped(verdict->size).c_str());
  std::printf("  %s\n", printable_text(leaf_text(*verdict)).c_str());
  if (body)
    if (const auto parts = read_body(*body))
      std::printf("  received %s, %s of message\n", format_rfc3339(parts->receive_time_ns).c_str(),
                  parts->value ? human_bytes(parts->value->size()).c_str() : "no value");
  return exit_ok;
}

}  // namespace tidewaiter::app
