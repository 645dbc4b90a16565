// `tidewaiter remap`: reads what is stored with the mappings of now. Exit codes as of app/command_store.hpp.
#pragma once

#include <string>

namespace tidewaiter::app {

struct RemapOptions {
  std::string store;
  std::string config;  // "" = built-in mappings, no policy
  bool json = false;
};
/// The store must not be in use. Leaves, kinds and the columns that were scored stay; queries show the new columns.
int command_remap(const RemapOptions& options);

}  // namespace tidewaiter::app
