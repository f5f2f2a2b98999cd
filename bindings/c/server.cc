#include "tideway/server.h"

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "bindings/c/boundary.h"
#include "bindings/c/reports.h"
#include "bindings/c/runtime.h"
#include "bindings/c/tideway.h"

struct tideway_server {
  std::shared_ptr<tideway::c::SharedRuntime> runtime;
  size_t elements = 0;  // of the layout
  std::unique_ptr<tideway::Server> server;
  std::vector<std::string> addresses;
  std::atomic<bool> stopped{false};
};

namespace tideway::c {
namespace {

absl::Status Check(const tideway_server* server) {
  if (server == nullptr) return NullArgument("server");
  return server->runtime->CheckProcess();
}

absl::Status ToScheduling(const tideway_server_options& from, SchedulingOptions& scheduling) {
  using Method = SchedulingOptions::Method;
  scheduling.method = from.synchronous != 0 ? Method::kSync : Method::kAsync;
  if (from.inner_steps != 0) scheduling.inner_steps = from.inner_steps;
  scheduling.dylu = from.no_dylu == 0;
  scheduling.grace = from.no_grace == 0;
  scheduling.sync_quorum = from.sync_quorum;
  scheduling.sync_timeout = DurationOr(from.sync_timeout_ms, scheduling.sync_timeout);
  if (from.workers_to_begin != 0) scheduling.workers_to_begin = from.workers_to_begin;
  scheduling.inner_steps_total = from.inner_steps_total;
  scheduling.seed = from.seed;
  if (from.shard_count == 0) return absl::OkStatus();
  if (from.shard_sizes == nullptr) return NullArgument("shard_sizes");
  if (from.shard_count > kShardsMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("shard_count is ", from.shard_count, "; at most ", kShardsMax));
  }
  scheduling.shard_sizes.assign(from.shard_sizes, from.shard_sizes + from.shard_count);
  return absl::OkStatus();
}

absl::Status ToOptions(const tideway_server_options* given, ServerOptions& options) {
  tideway_server_options from;
  absl::Status status = CopyIn(given, "tideway_server_options", from);
  if (status.ok() && from.listen_count != 0) {
    options.listen.clear();
    status = CopyTexts(from.listen, from.listen_count, "listen", options.listen);
  }
  if (status.ok()) status = ToScheduling(from, options.scheduling);
  if (!status.ok()) return status;
  options.server_index = from.server_index;
  options.outer_optimizer = TextOr(from.outer_optimizer, options.outer_optimizer);
  options.staleness = TextOr(from.staleness, options.staleness);
  options.lease = DurationOr(from.lease_ms, options.lease);
  if (from.credit_bytes != 0) options.credit_bytes = from.credit_bytes;
  if (from.sessions_max != 0) options.sessions_max = from.sessions_max;
  if (from.one_sided_bytes_max != 0) options.one_sided_bytes_max = from.one_sided_bytes_max;
  if (from.no_one_sided != 0) options.one_sided_bytes_max = 0;
  if (from.difference_codecs_max != 0) options.difference_codecs_max = from.difference_codecs_max;
  if (from.no_differences != 0) options.difference_codecs_max = 0;
  options.snapshot_dir = TextOr(from.snapshot_dir, "");
  options.snapshot_interval = absl::Milliseconds(from.snapshot_interval_ms);
  return absl::OkStatus();
}

// `start(runtime, options)` gives the C++ server.
template <typename Start>
absl::Status Make(tideway_runtime* runtime, const tideway_server_options* given,
                  const tideway_layout* layout, tideway_server** server, Start start) {
  if (server == nullptr) return NullArgument("server");
  *server = nullptr;
  if (runtime == nullptr) return NullArgument("runtime");
  if (layout == nullptr) return NullArgument("layout");
  absl::Status status = runtime->runtime->CheckProcess();
  if (status.ok()) status = InCallback::Refuse("starting a server");
  ServerOptions options;
  if (status.ok()) status = ToOptions(given, options);
  if (!status.ok()) return status;
  auto handle = std::make_unique<tideway_server>();
  handle->runtime = runtime->runtime;
  handle->elements = layout->layout.elements();
  absl::StatusOr<std::unique_ptr<Server>> started =
      start(&handle->runtime->Started(), std::move(options));
  if (!started.ok()) return started.status();
  handle->server = *std::move(started);
  handle->addresses = handle->server->addresses();
  *server = handle.release();
  return absl::OkStatus();
}

absl::Status Start(tideway_runtime* runtime, const tideway_server_options* options,
                   const tideway_layout* layout, const float* initial, size_t bytes,
                   tideway_server** server) {
  if (layout != nullptr) {
    absl::Status status = CheckFloats(initial, bytes, tideway_layout_bytes(layout), "initial");
    if (!status.ok()) return status;
  }
  return Make(runtime, options, layout, server, [&](Runtime* started, ServerOptions made) {
    return Server::Start(started, std::move(made), layout->layout,
                         absl::MakeConstSpan(initial, layout->layout.elements()));
  });
}

absl::Status Recover(tideway_runtime* runtime, const tideway_server_options* options,
                     const tideway_layout* layout, tideway_server** server) {
  return Make(runtime, options, layout, server, [&](Runtime* started, ServerOptions made) {
    return Server::Recover(started, std::move(made), layout->layout);
  });
}

absl::Status Read(tideway_server* server, float* destination, size_t bytes) {
  absl::Status status = Check(server);
  if (status.ok()) {
    status = CheckFloats(destination, bytes, server->elements * sizeof(float), "destination");
  }
  if (status.ok()) status = InCallback::Refuse("tideway_server_read");
  return status.ok() ? server->server->ReadParameters({destination, server->elements}) : status;
}

absl::Status Snapshot(tideway_server* server, char** folder) {
  absl::Status status = Check(server);
  if (status.ok() && server->stopped) {
    status = absl::FailedPreconditionError("the server is stopped; start a new one");
  }
  if (status.ok()) status = InCallback::Refuse("tideway_server_snapshot");
  if (!status.ok()) return status;
  const absl::StatusOr<std::string> written = server->server->Snapshot();
  if (!written.ok()) return written.status();
  return folder != nullptr ? CopyOut(*written, folder) : absl::OkStatus();
}

absl::Status Stop(tideway_server* server) {
  absl::Status status = Check(server);
  if (status.ok()) status = InCallback::Refuse("tideway_server_stop");
  if (!status.ok()) return status;
  server->stopped = true;
  server->server->Stop();
  return absl::OkStatus();
}

absl::Status Stats(tideway_server* server, char** json) {
  absl::Status status = Check(server);
  if (status.ok() && json == nullptr) status = NullArgument("json");
  return status.ok() ? CopyOut(JsonOf(server->server->stats()), json) : status;
}

}  // namespace
}  // namespace tideway::c

using tideway::c::Boundary;

extern "C" {

tideway_status tideway_server_start(tideway_runtime* runtime, const tideway_server_options* options,
                                    const tideway_layout* layout, const float* initial,
                                    size_t initial_bytes, tideway_server** server) {
  return Boundary(
      [&] { return tideway::c::Start(runtime, options, layout, initial, initial_bytes, server); });
}

tideway_status tideway_server_recover(tideway_runtime* runtime,
                                      const tideway_server_options* options,
                                      const tideway_layout* layout, tideway_server** server) {
  return Boundary([&] { return tideway::c::Recover(runtime, options, layout, server); });
}

const char* tideway_server_address(const tideway_server* server, size_t index) {
  if (server == nullptr || index >= server->addresses.size()) return nullptr;
  return server->addresses[index].c_str();
}

tideway_status tideway_server_read(tideway_server* server, float* destination,
                                   size_t destination_bytes) {
  return Boundary([&] { return tideway::c::Read(server, destination, destination_bytes); });
}

tideway_status tideway_server_snapshot(tideway_server* server, char** folder) {
  return Boundary([&] { return tideway::c::Snapshot(server, folder); });
}

tideway_status tideway_server_stop(tideway_server* server) {
  return Boundary([&] { return tideway::c::Stop(server); });
}

tideway_status tideway_server_free(tideway_server* server) {
  return Boundary([&] {
    absl::Status status = tideway::c::InCallback::Refuse("tideway_server_free");
    return status.ok() ? tideway::c::FreeHandle(server) : status;
  });
}

tideway_status tideway_server_stats(tideway_server* server, char** json) {
  return Boundary([&] { return tideway::c::Stats(server, json); });
}

}  // extern "C"
