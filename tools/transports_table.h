// What `tideway transports` prints: the transports and providers of a build on a host, as tables for people and as JSON for
// programs. Pure: the listing goes in, text comes out.
//
// Figures in JSON have their unit in their key: round_trip_us_median, bandwidth_gb_per_s (10^9 bytes).

#ifndef TIDEWAY_TOOLS_TRANSPORTS_TABLE_H_
#define TIDEWAY_TOOLS_TRANSPORTS_TABLE_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tideway/transport.h"
#include "tools/measure.h"

namespace tideway::tools {

struct ProviderRow {
  TransportInfo transport;
  ProviderInfo provider;
  std::optional<absl::StatusOr<Measurement>> measured;  // nothing: it was not tried

  bool viable() const { return transport.viable && provider.viable; }
  // Why not viable; empty where it is.
  std::string reason() const;
  // The form of its addresses: "ucx://HOST:PORT?tls=tcp".
  std::string address() const;
};

struct TransportsListing {
  std::string version;  // of Tideway
  std::string host;
  std::vector<ProviderRow> rows;
  std::optional<MeasureOptions> measured_with;  // nothing: nobody asked for figures
};

// Everything that `transports` has, in its order. Probes each: may take some hundred milliseconds.
std::vector<ProviderRow> ListProviders(const TransportRegistry& transports);

std::string TransportsTable(const TransportsListing& listing);
std::string TransportsJson(const TransportsListing& listing);

}  // namespace tideway::tools

#endif  // TIDEWAY_TOOLS_TRANSPORTS_TABLE_H_
