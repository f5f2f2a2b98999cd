// SimNetwork: a network of named hosts in virtual time, for running real clients and servers reproducibly.
//
// Each simulated node has a Runtime of its own, whose transports hold one entry made by SimTransportEntry with the
// node's host name; all nodes share one SimExecutor and one SimNetwork. A node listens on `sim://its-name:port` and is
// reached there by every other one. The same seed, the same links and the same calls give the same events, byte for
// byte.
//
// What is modelled: connections that deliver in order; per pair of hosts a latency, a jitter (which reorders what
// travels on different connections), a bandwidth that all connections of a direction share, and a chance that a
// connection is reset in the middle of a message; partitions, during which nothing arrives and nothing is lost (as with
// TCP, it arrives after the partition heals, unless a deadline or a close came first); and crashes.
//
// Threads: one, the simulation's, as with SimExecutor. Lifetime: a SimNetwork outlives the entries made from it, not
// the transports.
//
//   SimExecutor executor(seed);
//   SimNetwork network(seed, {.latency = absl::Milliseconds(20)});
//   TransportRegistry transports;
//   transports.Add(SimTransportEntry(&network, "server-0"));
//   Runtime runtime({.transports = std::move(transports), ..., .executor = &executor});

#ifndef TIDEWAY_TRANSPORTS_INCLUDE_TIDEWAY_SIM_NETWORK_H_
#define TIDEWAY_TRANSPORTS_INCLUDE_TIDEWAY_SIM_NETWORK_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "tideway/transport.h"

namespace tideway {

namespace sim {
class Network;
}

// One direction between two hosts, or a host and itself.
struct SimLink {
  absl::Duration latency = absl::Microseconds(50);
  absl::Duration jitter;           // each arrival is later by a random time up to this
  double bytes_per_second = 1e9;   // more than 0
  double reset_probability = 0.0;  // per message: its connection breaks between header and payload
};

// Something that happened. For a log that two runs can be compared by.
struct SimEvent {
  enum class Kind { kConnected, kRefused, kDelivered, kClosed, kPartitioned, kHealed, kCrashed };

  absl::Time at;
  Kind kind = Kind::kConnected;
  std::string from;         // who connected, sent, closed
  std::string to;           // the other host
  uint64_t connection = 0;  // numbered in the order of connecting; 0: none
  size_t header_bytes = 0;
  size_t payload_bytes = 0;
  std::string reason;  // of kClosed and kRefused

  // One line; the time in nanoseconds since the simulation's epoch.
  std::string ToString() const;
};

class SimNetwork {
 public:
  // `link` is what every pair of hosts has until SetLink says otherwise.
  explicit SimNetwork(uint64_t seed, const SimLink& link = {});
  ~SimNetwork();
  SimNetwork(const SimNetwork&) = delete;
  SimNetwork& operator=(const SimNetwork&) = delete;

  // Both directions, for what is sent from now on.
  void SetLink(absl::string_view a, absl::string_view b, const SimLink& link);

  // Nothing arrives between the two from now on, until Heal.
  void Partition(absl::string_view a, absl::string_view b);
  void Heal(absl::string_view a, absl::string_view b);

  // Breaks every connection between the two.
  void Reset(absl::string_view a, absl::string_view b);

  // The host's process dies as by kill -9: its ends call nothing back any more (until their transport is stopped, which
  // fails what is pending), and its peers see their connections break. A transport created for the host afterwards is
  // its next life.
  void Crash(absl::string_view host);

  // Told of every event. Must not call into the network.
  void SetObserver(std::function<void(const SimEvent&)> observer);

 private:
  friend TransportEntry SimTransportEntry(SimNetwork* network, std::string host_name);

  std::shared_ptr<sim::Network> network_;
};

// The transport by which the host `host_name` takes part. Its create answers UNAVAILABLE for an executor in real time.
TransportEntry SimTransportEntry(SimNetwork* network, std::string host_name);

}  // namespace tideway

#endif  // TIDEWAY_TRANSPORTS_INCLUDE_TIDEWAY_SIM_NETWORK_H_
