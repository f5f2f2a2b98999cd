// What all parts of one client share. Owned by the client's core, handed to its parts by pointer.

#ifndef TIDEWAY_CORE_CLIENT_CLIENT_SHARED_H_
#define TIDEWAY_CORE_CLIENT_CLIENT_SHARED_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/client/client_config.h"
#include "core/client/client_tasks.h"
#include "core/client/shared_deltas.h"
#include "tideway/buffer.h"
#include "tideway/stats.h"

namespace tideway {

struct ClientShared {
  explicit ClientShared(ClientConfig made_config)
      : config(std::move(made_config)),
        tasks(&config.runtime->executor(), config.options.completions_at_once),
        pool(config.pool_bytes_max()),
        shared_deltas(&tasks),
        acked_versions(config.layout.fragments().size(), 0) {}

  const ClientConfig config;
  ClientTasks tasks;
  BufferPool pool;
  SharedDeltas shared_deltas;

  // Answers that are landing in the user's memory now, from all servers. Any thread.
  std::atomic<size_t> answers_arriving{0};

  // Below: on the state strand only.
  // By fragment: the highest version that an acknowledgement told. A pull asks for at least that one, so that a worker
  // always reads its own writes.
  std::vector<uint64_t> acked_versions;
  WorkerStatus status;  // for the next heartbeats
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_CLIENT_CLIENT_SHARED_H_
