#include "bench/peer/peer.h"

#include <cstdio>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/common/control.h"
#include "bench/common/options.h"
#include "bench/common/placement.h"
#include "bench/peer/ends.h"
#include "bench/peer/incast.h"
#include "bench/peer/stage_log.h"
#include "bench/peer/train_step.h"
#include "bench/peer/worker.h"

namespace bench {
namespace {

void RunServer(const Settings& settings) {
  if (settings.form == "incast") return RunIncastServer(settings);
  tideway::Runtime runtime(MakeRuntimeOptions(settings));
  StageLog stages(runtime.executor());
  VectorServer server(runtime, settings, settings.stages ? &stages : nullptr);
  ServeDriver(
      server.address(), [&](uint64_t pushes) { return server.Verify(pushes); },
      [&] { return "{\"server\": " + stages.Take() + "}"; });
}

void RunWorker(const Settings& settings) {
  if (settings.form == "incast") return RunIncastWorkers(settings);
  if (settings.form == "train-step") return RunTrainStep(settings);
  tideway::Runtime runtime(MakeRuntimeOptions(settings));
  Worker worker(runtime, settings);
  RunClient(worker.MakeWork());
}

// Both ends in this process: the only way to meet over inproc://.
void RunPair(Settings settings) {
  if (settings.form == "incast" || settings.form == "train-step") {
    throw std::invalid_argument(settings.form + " needs two processes");
  }
  tideway::Runtime runtime(MakeRuntimeOptions(settings));
  StageLog at_server(runtime.executor());
  VectorServer server(runtime, settings, settings.stages ? &at_server : nullptr);
  settings.uri = server.address();
  Worker worker(runtime, settings);
  Work work = worker.MakeWork();
  work.check = [&, check = work.check] { return check() && server.Verify(worker.pushes()); };
  work.stages = [&] {
    return "{\"client\": " + worker.stages().Take() + ", \"server\": " + at_server.Take() + "}";
  };
  RunClient(work);
}

// Connected workers that only keep their leases.
void RunIdle(const Settings& settings) {
  tideway::Runtime runtime(MakeRuntimeOptions(settings));
  const tideway::Layout layout = MakeLayout(settings);
  std::vector<std::unique_ptr<tideway::Client>> clients;
  for (size_t i = 0; i < settings.workers; ++i) {
    clients.push_back(Join(runtime, settings, layout, "idle-" + std::to_string(i)));
  }
  std::printf("{\"ready\": true}\n");
  std::fflush(stdout);
  std::string line;
  while (std::getline(std::cin, line) && line != "quit") {
  }
}

}  // namespace

int PeerMain(int argc, char** argv) {
  return Main([&] {
    const Options options(argc, argv,
                          {"uri", "form", "bytes", "fragment", "threads", "workers", "outstanding",
                           "codec", "finite", "pull", "stages", "delta", "inner-steps", "step-us",
                           "overlap", "completions", "cpus", "numa"});
    Place(options);
    const Settings settings(options);
    if (options.role() == "server") {
      RunServer(settings);
    } else if (options.role() == "client") {
      RunWorker(settings);
    } else if (options.role() == "pair") {
      RunPair(settings);
    } else if (options.role() == "idle") {
      RunIdle(settings);
    } else {
      throw std::invalid_argument("'" + options.role() +
                                  "' is no role; there are server, client, pair, idle");
    }
  });
}

}  // namespace bench
