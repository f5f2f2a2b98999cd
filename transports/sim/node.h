// Node: the Transport of one simulated host.

#ifndef TIDEWAY_TRANSPORTS_SIM_NODE_H_
#define TIDEWAY_TRANSPORTS_SIM_NODE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "tideway/executor.h"
#include "tideway/transport.h"
#include "transports/sim/connection.h"
#include "transports/sim/network.h"

namespace tideway::sim {

TransportInfo Info();

class Node final : public Transport {
 public:
  Node(std::shared_ptr<Network> network, std::string host, Executor* executor);
  ~Node() override;

  const TransportInfo& info() const override { return info_; }
  absl::StatusOr<std::unique_ptr<Listener>> Listen(const Uri& uri, AcceptHandler accept) override;
  void Connect(const Uri& uri, absl::Time deadline, std::shared_ptr<Receiver> receiver,
               ConnectDone done) override;
  void Stop() override;

  const std::string& host() const { return host_; }
  // Calls nothing back any more, until Stop.
  void MarkCrashed() { crashed_ = true; }

 private:
  // One Connect under way. Finished when `done` is empty.
  struct Attempt {
    uint64_t id = 0;  // of the connection to be
    Uri uri;
    std::string peer_host;
    std::shared_ptr<Receiver> receiver;
    ConnectDone done;
    TimerId deadline_timer = 0;
    std::shared_ptr<SimConnection> client;
  };
  using AttemptPtr = std::shared_ptr<Attempt>;

  absl::Status CheckAddress(const Uri& uri) const;
  // The name that `host` means here: this host's own for its aliases.
  std::string HostName(const std::string& host) const;
  std::string AddressOf(const Uri& uri) const;
  void SendRequest(const AttemptPtr& attempt);
  void OnRequest(const AttemptPtr& attempt);
  void Answer(const AttemptPtr& attempt, const absl::Status& refusal);
  void OnAnswer(const AttemptPtr& attempt, const absl::Status& refusal);
  void Finish(const AttemptPtr& attempt, absl::StatusOr<std::shared_ptr<Connection>> result);
  std::shared_ptr<SimConnection> NewEnd(uint64_t id, bool is_server, const std::string& host,
                                        const std::string& peer_host, const std::string& local,
                                        const std::string& peer);
  absl::Duration DelayTo(const std::string& peer_host);

  const TransportInfo info_;
  const std::shared_ptr<Network> network_;
  const std::string host_;
  Executor* const executor_;
  bool crashed_ = false;
  bool stopped_ = false;
  std::map<uint64_t, AttemptPtr> attempts_;
};

}  // namespace tideway::sim

#endif  // TIDEWAY_TRANSPORTS_SIM_NODE_H_
