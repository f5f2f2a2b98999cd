// From settings to what the library is told: server options, worker options.
#ifndef TIDEWAY_TRAINER_PLAN_H_
#define TIDEWAY_TRAINER_PLAN_H_

#include "tideway/local_sgd.h"
#include "tideway/server.h"
#include "trainer/settings.h"

namespace tideway::trainer {

ServerOptions MakeServerOptions(const Settings& settings);
LocalSgdOptions MakeWorkerOptions(const Settings& settings);

// Where things lie in a run's folder.
std::string RunFilePath(const Settings& settings);
std::string SnapshotFolder(const Settings& settings, int server_index);
std::string CheckpointPath(const Settings& settings, const std::string& worker_name);
std::string LogPath(const Settings& settings, const std::string& process_name);

}  // namespace tideway::trainer

#endif  // TIDEWAY_TRAINER_PLAN_H_
