// Crew: the processes of a local run: servers and workers, each this same program in another role.
//
// One thread. The destructor kills whoever is left.
#ifndef TIDEWAY_TRAINER_CREW_H_
#define TIDEWAY_TRAINER_CREW_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "trainer/child_process.h"
#include "trainer/settings.h"

namespace tideway::trainer {

class Crew {
 public:
  // `program`: the path of this program. `settings` outlives the crew; its run.json has been written.
  Crew(std::string program, const Settings& settings)
      : program_(std::move(program)), settings_(settings) {}

  // Starts all servers and waits until they listen. The addresses, in the order of their indices.
  absl::StatusOr<std::vector<std::string>> StartServers();
  absl::Status StartWorkers();

  // What happened to workers since the last call, one sentence each. Restarts them where settings say so.
  std::vector<std::string> WatchWorkers();
  // Unavailable, naming the server and its log, where one has ended.
  absl::Status CheckServers();

  bool WorkerAlive(size_t index) const { return workers_[index].alive; }
  bool AnyWorkerAlive() const;
  // At least one worker ended as it should.
  bool AnyWorkerFinished() const;

  // SIGTERM, and time to write checkpoints; what is still there then is killed. False where one had to be killed or failed.
  bool StopWorkers();
  bool StopServers();

 private:
  struct WorkerSlot {
    std::unique_ptr<ChildProcess> process;
    bool alive = false;
    bool finished = false;
    int restarts = 0;
  };

  absl::Status DidNotStart(ChildProcess& child) const;
  absl::Status StartWorker(size_t index, bool continued);
  std::vector<std::string> CommonArguments(const std::string& role) const;

  const std::string program_;
  const Settings& settings_;
  std::vector<std::unique_ptr<ChildProcess>> servers_;
  std::vector<WorkerSlot> workers_;
  std::vector<std::string> addresses_;
};

}  // namespace tideway::trainer

#endif  // TIDEWAY_TRAINER_CREW_H_
