// What the store knows of header lines (ingest/text_order.hpp). The newest one of each partition and format is a cursor,
// moved in the commit that holds its message, so a service or an ingest that begins anew reads on as before. For a remap,
// which reads older messages too, all of them are found in what is stored.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "core/record.hpp"
#include "core/result.hpp"
#include "ingest/text_order.hpp"
#include "store/log.hpp"

namespace tidewaiter::app {

class Parse;

using TextOrders = std::map<std::string, std::string>;  // by order_cursor(): the header line

/// Name of the cursor whose value is the header line.
std::string order_cursor(const ingest::TextOrder& order);
Result<TextOrders> stored_text_orders(const store::Log& log);

/// Say that lines of a format were read by a configured order: without it they cannot be read again.
std::vector<CursorUpdate> text_columns_cursors(const std::map<std::string, std::vector<std::string>>& text_columns);

/// The header lines in force before each stored message. Reads the store when it is first asked, and only then.
class HeaderLines {
 public:
  /// `scout` reads the stored messages; `configured` are the orders that the configuration of now gives, by format.
  HeaderLines(const store::Log& log, std::unique_ptr<Parse> scout,
              std::map<std::string, std::vector<std::string>> configured);
  ~HeaderLines();

  /// As ingest::RecallOrder.
  std::optional<std::string> before(const ingest::TextOrder& asked);
  /// What stopped the reading of the store, after before().
  const std::optional<Error>& error() const { return error_; }

 private:
  using Stream = std::tuple<const Origin*, std::uint32_t, std::string, std::string>;
  Result<void> find_all();

  const store::Log& log_;
  std::unique_ptr<Parse> scout_;
  const std::map<std::string, std::vector<std::string>> configured_;
  bool found_ = false;
  std::optional<Error> error_;
  std::map<Stream, std::map<std::uint64_t, std::string>> headers_;  // by offset
};

}  // namespace tidewaiter::app
