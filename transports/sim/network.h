// Network: what all simulated hosts share: links, partitions, who listens where, and every connection in the order in
// which it was made (all iteration is ordered: a run must not depend on addresses or hashes).

#ifndef TIDEWAY_TRANSPORTS_SIM_NETWORK_H_
#define TIDEWAY_TRANSPORTS_SIM_NETWORK_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "tideway/sim_network.h"
#include "tideway/transport.h"

namespace tideway::sim {

class SimConnection;
class Node;

// Who listens on an address, for as long as a connecting peer needs it.
struct Acceptor {
  Node* node = nullptr;  // null: the listener is gone
  AcceptHandler accept;
};

class Network {
 public:
  Network(uint64_t seed, const SimLink& link) : default_link_(link), random_(seed) {}

  // Links and partitions.
  const SimLink& Link(const std::string& a, const std::string& b) const;
  void SetLink(const std::string& a, const std::string& b, const SimLink& link);
  bool Partitioned(const std::string& a, const std::string& b) const;
  void Partition(const std::string& a, const std::string& b);
  void Heal(const std::string& a, const std::string& b);

  // How long something takes that is sent now: latency and a drawn jitter.
  absl::Duration Delay(const SimLink& link);
  bool DrawReset(const SimLink& link);

  // Takes the direction from `a` to `b` for `bytes`, from `now` or when it is free. Returns when it begins and ends.
  std::pair<absl::Time, absl::Time> Transmit(const std::string& a, const std::string& b,
                                             absl::Time now, size_t bytes);

  // Breaks.
  void Reset(const std::string& a, const std::string& b);
  void Crash(const std::string& host);

  // Nodes and connections come and go.
  void AddNode(Node* node);
  void RemoveNode(Node* node);
  bool Knows(const std::string& host) const { return hosts_.contains(host); }
  uint64_t NextConnection() { return next_connection_++; }
  void AddEnd(const std::shared_ptr<SimConnection>& end);
  void RemoveEnd(SimConnection* end);
  void CloseEndsOf(const Node* node, const absl::Status& reason);

  // Listening addresses, "host:port".
  bool Listen(const std::string& address, std::shared_ptr<Acceptor> acceptor);
  void StopListening(const std::string& address) { acceptors_.erase(address); }
  void StopListeningOf(const Node* node);
  std::shared_ptr<Acceptor> FindAcceptor(const std::string& address) const;
  uint16_t FreePort(const std::string& host);

  void Tell(SimEvent event) const;
  void SetObserver(std::function<void(const SimEvent&)> observer) {
    observer_ = std::move(observer);
  }
  // Where the time for events that no connection caused comes from.
  void SetClock(std::function<absl::Time()> now) { now_ = std::move(now); }

 private:
  absl::Time Now() const;

  using Pair = std::pair<std::string, std::string>;

  const SimLink default_link_;
  std::mt19937_64 random_;
  std::map<Pair, SimLink> links_;
  std::set<Pair> partitions_;
  std::map<Pair, absl::Time> busy_until_;  // by direction
  std::set<std::string> hosts_;
  std::set<Node*> nodes_;  // only asked, never iterated
  std::map<std::string, std::shared_ptr<Acceptor>> acceptors_;
  std::map<std::pair<uint64_t, bool>, std::shared_ptr<SimConnection>> ends_;
  uint64_t next_connection_ = 1;
  uint16_t next_port_ = 1024;
  std::function<void(const SimEvent&)> observer_;
  std::function<absl::Time()> now_;
};

}  // namespace tideway::sim

#endif  // TIDEWAY_TRANSPORTS_SIM_NETWORK_H_
