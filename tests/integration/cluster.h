// Servers and clients over a real transport, in one process, for tests: each end has a Runtime of its own, so that nothing is
// shared but the wire.

#ifndef TIDEWAY_TESTS_INTEGRATION_CLUSTER_H_
#define TIDEWAY_TESTS_INTEGRATION_CLUSTER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "tideway/blocking.h"
#include "tideway/builtin_codecs.h"
#include "tideway/builtin_transports.h"
#include "tideway/client.h"
#include "tideway/layout.h"
#include "tideway/runtime.h"
#include "tideway/server.h"

namespace tideway::testing {

// Generous: only a hang takes this long.
inline absl::Time Soon(Runtime& runtime) { return runtime.executor().Now() + absl::Seconds(60); }

inline std::unique_ptr<Runtime> NewRuntime(LogSink log = {}, int threads = 2) {
  return std::make_unique<Runtime>(RuntimeOptions{.transports = BuiltinTransports(),
                                                  .codecs = BuiltinCodecs(),
                                                  .executor_options = {.threads = threads},
                                                  .log = std::move(log)});
}

struct Cluster {
  // One server per index of the layout, listening on "tcp://127.0.0.1:0" unless `options` says otherwise.
  Cluster(const Layout& l, ServerOptions options, absl::Span<const float> initial, LogSink log = {})
      : layout(l) {
    for (uint32_t index = 0; index < layout.servers(); ++index) {
      runtimes.push_back(NewRuntime(log));
      options.server_index = index;
      auto server = Server::Start(runtimes.back().get(), options, layout, initial);
      if (!server.ok()) {
        ADD_FAILURE() << server.status();
        return;
      }
      uris.push_back((*server)->addresses()[0]);
      servers.push_back(*std::move(server));
    }
  }

  std::vector<float> Parameters() const {
    std::vector<float> parameters(layout.elements());
    for (const auto& server : servers) {
      EXPECT_TRUE(server->ReadParameters(absl::MakeSpan(parameters)).ok());
    }
    return parameters;
  }

  Layout layout;
  std::vector<std::unique_ptr<Runtime>> runtimes;
  std::vector<std::unique_ptr<Server>> servers;
  std::vector<std::string> uris;
};

// A client with blocking calls.
struct Peer {
  Peer(const Cluster& cluster, ClientOptions options, LogSink log = {})
      : runtime(NewRuntime(std::move(log), 1)) {
    options.servers = cluster.uris;
    auto created = Client::Create(runtime.get(), std::move(options), cluster.layout);
    if (!created.ok()) {
      ADD_FAILURE() << created.status();
      return;
    }
    client = *std::move(created);
  }

  absl::Status Join() {
    return Await([&](auto done) { client->Join(Soon(*runtime), std::move(done)); });
  }
  absl::StatusOr<PushReport> Push(absl::Span<const float> delta, uint32_t inner_steps = 1) {
    return AwaitResult<PushReport>([&](auto done) {
      client->Push(delta, {.inner_steps = inner_steps}, Soon(*runtime), std::move(done));
    });
  }
  absl::StatusOr<PullReport> Pull(absl::Span<float> destination, uint64_t window = 0) {
    return AwaitResult<PullReport>([&](auto done) {
      client->Pull(destination, {.window = window}, Soon(*runtime), std::move(done));
    });
  }
  absl::StatusOr<ServerStats> Stats(uint32_t index = 0) {
    return AwaitResult<ServerStats>(
        [&](auto done) { client->Stats(index, Soon(*runtime), std::move(done)); });
  }
  absl::Status Leave() {
    return Await([&](auto done) { client->Leave(Soon(*runtime), std::move(done)); });
  }

  std::unique_ptr<Runtime> runtime;
  std::unique_ptr<Client> client;
};

}  // namespace tideway::testing

#endif  // TIDEWAY_TESTS_INTEGRATION_CLUSTER_H_
