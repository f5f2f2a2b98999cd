// TransportReport: which path a client's data takes to one server, what else there was, and why it was not taken.
//
// An address `auto://host:port` leaves the choice to Tideway: the client asks the server which paths it offers, tries those
// that this end has too, measures each for a few milliseconds, and takes the one that moves a fragment soonest. Nothing of
// that is silent: the report is logged when the path is chosen and when it changes, and Client::transport_reports has it at
// any time. With any other address there is one path, and the report tells of that.
//
//   auto://head:5000                    the fastest that both ends share
//   auto://head:5000?require=ucx        a provider of the transport ucx, or an error that says why not
//   auto://head:5000?require=ofi+shm    that provider
//
// Plain values: copies of what was known at one moment.

#ifndef TIDEWAY_CORE_INCLUDE_TIDEWAY_TRANSPORT_REPORT_H_
#define TIDEWAY_CORE_INCLUDE_TIDEWAY_TRANSPORT_REPORT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tideway/transport.h"

namespace tideway {

// The scheme that stands for a choice, not for a transport.
inline constexpr char kAutoScheme[] = "auto";

// One path that was considered.
struct TransportCandidate {
  std::string provider;  // ProviderInfo::name
  std::string uri;       // where the client would connect; empty if the server does not offer it
  std::string refused;   // why it can't be used or was given up; empty: it can be used
  bool same_host_only = false;  // shared memory
  bool measured = false;
  double latency_us = 0;             // the shortest round trip of an empty message
  double bandwidth_bytes_per_s = 0;  // of the payload, one message after the other
  // What the choice compares: how long a fragment of the default size takes. REQUIRES: measured.
  absl::Duration fragment_time() const;
};

// The data path changed while the client lived.
struct TransportSwitch {
  std::string from;  // provider
  std::string to;
  std::string reason;
  absl::Time at = absl::InfinitePast();
};

struct TransportReport {
  std::string server;                          // "server 1 (auto://head:5000)"
  std::string asked;                           // the address that the client was given
  std::string got;                             // the address of the data path; empty: none yet
  std::string provider;                        // of the data path
  std::string why;                             // it was taken
  ConnectionInfo connection;                   // of the data path, as it was last
  std::vector<TransportCandidate> candidates;  // best first; the refused ones behind
  std::vector<TransportSwitch> switches;       // the latest kTransportSwitchesKept
  uint64_t switches_total = 0;

  // For logs: one line.
  std::string Summary() const;
  // For people: what was asked for, what it became, and a line for each candidate.
  std::string ToString() const;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_INCLUDE_TIDEWAY_TRANSPORT_REPORT_H_
