// A whole run in virtual time: real servers and real clients on one SimExecutor, over the simulated network.
//
// Everything that can differ between two runs comes from the seed: the network's delays and losses, the clients' jitter, the
// workers' speeds. What happens is written line by line to a log, which two runs of one seed must have in common.

#ifndef TIDEWAY_TESTS_SIM_SIM_CLUSTER_H_
#define TIDEWAY_TESTS_SIM_SIM_CLUSTER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "core/client/worker_cycle.h"
#include "gtest/gtest.h"
#include "tideway/client.h"
#include "tideway/layout.h"
#include "tideway/runtime.h"
#include "tideway/server.h"
#include "tideway/sim_executor.h"
#include "tideway/sim_network.h"

namespace tideway::testing {

class SimCluster;

// One worker, life after life: trains in virtual time by counting, and pushes whole numbers, so that sums are exact.
class SimWorker {
 public:
  SimWorker(SimCluster* cluster, std::string name, absl::Duration step_time)
      : cluster_(cluster), name_(std::move(name)), step_time_(step_time) {}

  // Begins a life: a new client, a new incarnation.
  void Start();
  // Ends it, as kill -9 does: no goodbye. Start may follow once Gone.
  void Crash();
  bool Gone() const { return client_ == nullptr; }
  bool alive() const { return alive_; }

  bool finished() const { return finished_; }
  const absl::Status& error() const { return error_; }
  const std::string& name() const { return name_; }
  // Per element: what all acknowledged pushes add up to, and the value of each push that a crash cut off.
  int64_t acknowledged() const { return acknowledged_; }
  const std::vector<int64_t>& cut_off() const { return cut_off_; }
  int exchanges() const { return exchanges_; }
  uint64_t inner_steps() const { return inner_steps_; }

 private:
  friend class SimCluster;
  void OnOutcome(int life, absl::StatusOr<WorkerCycle::Outcome> outcome);
  void Train();
  void Push();
  void Leave();
  // Destroys the client once nothing of it is left on the executor.
  void DropClient();

  SimCluster* const cluster_;
  const std::string name_;
  const absl::Duration step_time_;
  int life_ = 0;
  bool alive_ = false;
  std::unique_ptr<Runtime> runtime_;  // of this life
  std::unique_ptr<Client> client_;
  std::unique_ptr<WorkerCycle> cycle_;
  std::vector<float> parameters_;
  std::vector<float> delta_;
  Assignment assignment_;
  absl::Duration busy_;
  int64_t pushing_ = 0;  // the value under way, or 0
  int64_t acknowledged_ = 0;
  std::vector<int64_t> cut_off_;
  int exchanges_ = 0;
  uint64_t inner_steps_ = 0;
  bool finished_ = false;
  absl::Status error_;
};

struct SimClusterOptions {
  uint64_t seed = 1;
  uint32_t servers = 2;
  size_t elements = 100;
  size_t fragment_bytes = 64;
  int workers = 8;
  std::string scheme =
      "sim";  // or auto: clients ask for paths and measure them, through the same network
  ClientOptions client;  // servers and worker are filled in
  ServerOptions server;
  SimLink link = {.latency = absl::Milliseconds(5), .jitter = absl::Milliseconds(2)};
  // Of every host's transport, for example in faults; null: as it is.
  std::function<TransportEntry(TransportEntry)> wrap;
};

class SimCluster {
 public:
  explicit SimCluster(SimClusterOptions options);
  ~SimCluster();

  // Runs until every worker has finished. False after an hour of virtual time.
  bool RunToTheEnd();

  // The servers' parameters, as an observer pulls them.
  std::vector<float> Parameters();
  // A runtime of its own for each simulated process.
  std::unique_ptr<Runtime> NewRuntime(const std::string& host);
  // Between the worker and all servers.
  void Reset(const std::string& worker);
  void Partition(const std::string& worker);
  void Heal(const std::string& worker);

  ServerStats Stats(uint32_t index) { return servers[index]->stats(); }

  void Log(const std::string& line);
  const std::string& log() const { return log_; }

  const SimClusterOptions options;
  SimExecutor executor;
  SimNetwork network;
  Layout layout;
  std::vector<std::unique_ptr<Runtime>> runtimes;  // of the servers
  std::vector<std::unique_ptr<Server>> servers;
  std::vector<std::string> uris;
  std::vector<std::unique_ptr<SimWorker>> workers;
  // Grace windows whose workers were not handed the same parameters; must stay empty.
  std::vector<uint64_t> torn_windows;
  std::map<uint64_t, std::vector<float>> by_window;

 private:
  std::string log_;
};

}  // namespace tideway::testing

#endif  // TIDEWAY_TESTS_SIM_SIM_CLUSTER_H_
