#include "trainer/server_role.h"

#include <cstdio>
#include <memory>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "tideway/runtime.h"
#include "tideway/server.h"
#include "trainer/file_io.h"
#include "trainer/gpt.h"
#include "trainer/make_runtime.h"
#include "trainer/model_binding.h"
#include "trainer/plan.h"

namespace tideway::trainer {
namespace {

constexpr int kServerThreads = 2;

absl::StatusOr<std::unique_ptr<Server>> StartOrRecover(const Settings& settings, Runtime* runtime) {
  const Gpt model(settings.model, settings.seed);
  absl::StatusOr<Layout> layout = LayoutOf(model, settings);
  if (!layout.ok()) return layout.status();
  const ServerOptions options = MakeServerOptions(settings);
  if (settings.continued) return Server::Recover(runtime, options, *layout);
  return Server::Start(runtime, options, *layout, FlatParameters(model));
}

}  // namespace

absl::Status RunServer(const Settings& settings, StopSignal* stop) {
  if (absl::Status s = CheckSpecs(settings); !s.ok()) return s;
  const std::string folder = SnapshotFolder(settings, settings.server_index);
  if (absl::Status s = MakeFolder(folder); !s.ok()) return s;
  Runtime runtime(MakeRuntimeOptions(kServerThreads, /*verbose=*/true));
  absl::StatusOr<std::unique_ptr<Server>> server = StartOrRecover(settings, &runtime);
  if (!server.ok()) return server.status();
  std::printf("listening %s\n", absl::StrJoin((*server)->addresses(), ",").c_str());
  std::fflush(stdout);

  stop->WaitFor(absl::InfiniteDuration());
  const absl::Status snapshot = (*server)->Snapshot().status();
  (*server)->Stop();
  return snapshot;
}

}  // namespace tideway::trainer
