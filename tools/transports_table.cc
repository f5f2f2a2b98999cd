#include "tools/transports_table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"
#include "tools/size_text.h"
#include "tools/text_table.h"

namespace tideway::tools {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kEnds[] =
    "both ends in this process, each with its own progress thread (inproc: one for both)";

std::string OrDash(std::string text) { return text.empty() ? "-" : text; }

const char* YesNo(bool yes) { return yes ? "yes" : "no"; }

// How far its connections go.
const char* Reach(const ProviderRow& row) {
  if (!row.transport.real_time) return "a simulation";
  if (!row.transport.crosses_processes) return "this process";
  return row.transport.crosses_hosts && !row.provider.same_host_only ? "other hosts" : "this host";
}

std::string ProvidersTable(const std::vector<ProviderRow>& rows) {
  TextTable table(
      {{"provider"}, {"transport"}, {"address"}, {"reaches"}, {"one-sided"}, {"viable"}});
  for (const ProviderRow& row : rows) {
    table.AddRow({row.provider.name, row.transport.name, row.address(), Reach(row),
                  row.viable() ? YesNo(row.provider.one_sided) : "-",
                  row.viable() ? "yes" : absl::StrCat("no: ", row.reason())});
  }
  return table.ToString();
}

// Only of the viable: devices and limits of the others are not known.
std::string DetailsTable(const std::vector<ProviderRow>& rows) {
  TextTable table({{"viable"},
                   {"library"},
                   {"header max", TextTable::kRight},
                   {"payload max", TextTable::kRight},
                   {"devices"},
                   {"when idle"}});
  for (const ProviderRow& row : rows) {
    if (!row.viable()) continue;
    table.AddRow({row.provider.name, OrDash(row.transport.version),
                  SizeText(row.transport.header_bytes_max),
                  SizeText(row.transport.payload_bytes_max),
                  OrDash(absl::StrJoin(row.provider.devices, ", ")), OrDash(row.provider.wait)});
  }
  return table.ToString();
}

std::string FiguresTable(const TransportsListing& listing) {
  TextTable table({{"measured"},
                   {"round trip us, median", TextTable::kRight},
                   {"p99", TextTable::kRight},
                   {"GB/s", TextTable::kRight},
                   {"of", TextTable::kRight},
                   {""}});
  for (const ProviderRow& row : listing.rows) {
    if (!row.measured.has_value()) continue;
    if (!row.measured->ok()) {
      table.AddRow({row.provider.name, "-", "-", "-", "-",
                    absl::StrCat("failed: ", row.measured->status().message())});
      continue;
    }
    const Measurement& got = **row.measured;
    table.AddRow(
        {row.provider.name,
         absl::StrFormat("%.1f", absl::ToDoubleMicroseconds(got.round_trip_median)),
         absl::StrFormat("%.1f", absl::ToDoubleMicroseconds(got.round_trip_p99)),
         absl::StrFormat("%.2f", got.bandwidth_bytes_per_s / 1e9),
         absl::StrCat(got.round_trips, " round trips, ", got.bulk_bytes / kBulkBytes, " messages"),
         ""});
  }
  return absl::StrCat(table.ToString(), "Listening on ", listing.measured_with->host, "; ", kEnds,
                      ".\nRound trip: there and back, ", SizeText(kRoundTripBytes),
                      " each way. GB/s: one way, messages of ", SizeText(kBulkBytes), ", ",
                      kBulkInFlight, " in flight, 10^9 bytes.\n");
}

Json CapabilitiesJson(const ProviderRow& row) {
  return {{"crosses_hosts", row.transport.crosses_hosts && !row.provider.same_host_only},
          {"crosses_processes", row.transport.crosses_processes},
          {"one_sided", row.provider.one_sided},
          {"real_time", row.transport.real_time},
          {"wait", row.provider.wait}};
}

Json FiguresJson(const Measurement& got) {
  return {{"round_trip_us_median", absl::ToDoubleMicroseconds(got.round_trip_median)},
          {"round_trip_us_p99", absl::ToDoubleMicroseconds(got.round_trip_p99)},
          {"round_trips", got.round_trips},
          {"bandwidth_gb_per_s", got.bandwidth_bytes_per_s / 1e9},
          {"bandwidth_of_bytes", got.bulk_bytes},
          {"one_sided", got.one_sided},
          {"connection", got.connection.details}};
}

Json RowJson(const ProviderRow& row) {
  Json json = {{"transport", row.transport.name},
               {"provider", row.provider.name},
               {"viable", row.viable()},
               {"reason", row.reason()},
               {"address", row.address()},
               {"library_version", row.transport.version},
               {"devices", row.provider.devices},
               {"capabilities", CapabilitiesJson(row)},
               {"limits",
                {{"header_bytes_max", row.transport.header_bytes_max},
                 {"payload_bytes_max", row.transport.payload_bytes_max}}}};
  if (!row.measured.has_value()) return json;
  if (row.measured->ok()) {
    json["measured"] = FiguresJson(**row.measured);
  } else {
    json["measure_error"] = std::string(row.measured->status().message());
  }
  return json;
}

Json MeasureJson(const MeasureOptions& options) {
  return {{"host", options.host},
          {"seconds_per_provider", absl::ToDoubleSeconds(options.budget)},
          {"ends", kEnds},
          {"round_trip_payload_bytes", kRoundTripBytes},
          {"bandwidth_message_bytes", kBulkBytes},
          {"bandwidth_messages_in_flight", kBulkInFlight}};
}

}  // namespace

std::string ProviderRow::reason() const {
  if (viable()) return "";
  const std::string& said =
      transport.viable ? provider.unavailable_reason : transport.unavailable_reason;
  return said.empty() ? "it does not say why" : said;
}

std::string ProviderRow::address() const {
  const Uri parameters = {.scheme = provider.scheme, .params = provider.params};
  std::string text = parameters.ToString();
  text.insert(provider.scheme.size() + 3, "HOST:PORT");
  return text;
}

std::vector<ProviderRow> ListProviders(const TransportRegistry& transports) {
  std::vector<ProviderRow> rows;
  for (const TransportEntry& entry : transports.entries()) {
    const TransportInfo info = entry.probe();
    for (ProviderInfo& provider : ProvidersOf(info)) {
      rows.push_back({.transport = info, .provider = std::move(provider)});
    }
  }
  return rows;
}

std::string TransportsTable(const TransportsListing& listing) {
  std::string text = absl::StrCat("Tideway ", listing.version, " on ", listing.host, "\n\n",
                                  ProvidersTable(listing.rows));
  if (std::any_of(listing.rows.begin(), listing.rows.end(),
                  [](const ProviderRow& row) { return row.viable(); })) {
    absl::StrAppend(&text, "\n", DetailsTable(listing.rows));
  }
  if (listing.measured_with.has_value()) absl::StrAppend(&text, "\n", FiguresTable(listing));
  return text;
}

std::string TransportsJson(const TransportsListing& listing) {
  Json json = {{"version", listing.version}, {"host", listing.host}};
  if (listing.measured_with.has_value()) json["measure"] = MeasureJson(*listing.measured_with);
  json["providers"] = Json::array();
  for (const ProviderRow& row : listing.rows) json["providers"].push_back(RowJson(row));
  // What a library calls its devices need not be UTF-8.
  return absl::StrCat(json.dump(2, ' ', false, Json::error_handler_t::replace), "\n");
}

}  // namespace tideway::tools
