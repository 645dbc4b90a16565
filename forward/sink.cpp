#include "forward/sink.hpp"

#include <array>

namespace tidewaiter::forward {
namespace {

constexpr std::array<std::string_view, 2> type_names{"splunk_hec", "syslog"};
constexpr std::array<SinkMaker, 2> makers{make_splunk_hec, make_syslog};

}  // namespace

SinkMaker find_sink_maker(std::string_view type) {
  for (std::size_t i = 0; i < type_names.size(); ++i)
    if (type_names[i] == type) return makers[i];
  return nullptr;
}

std::span<const std::string_view> sink_types() { return type_names; }

}  // namespace tidewaiter::forward
