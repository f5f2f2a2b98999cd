// The C++ side of bench/embedding/compare.py: pushes and pulls in a loop, server and client in one process over TCP, and prints
// seconds per call.
//
//   bench_embedding_loop BYTES ROUNDS

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "tideway/blocking.h"
#include "tideway/builtin_codecs.h"
#include "tideway/builtin_transports.h"
#include "tideway/client.h"
#include "tideway/server.h"

namespace {

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "bench_embedding_loop: %s\n", status.ToString().c_str());
  return 1;
}

// The mean seconds of `rounds` calls, after one that does not count.
template <typename Call>
double SecondsOf(tideway::Executor& executor, int rounds, Call call) {
  if (!call()) return -1;
  const absl::Time since = executor.Now();
  for (int i = 0; i < rounds; ++i) {
    if (!call()) return -1;
  }
  return absl::ToDoubleSeconds(executor.Now() - since) / rounds;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return Fail(absl::InvalidArgumentError("give BYTES and ROUNDS"));
  const int64_t elements = std::atoll(argv[1]) / static_cast<int64_t>(sizeof(float));
  const int rounds = std::atoi(argv[2]);
  const auto layout = tideway::Layout::Create({{"theta", {elements}}});
  if (!layout.ok()) return Fail(layout.status());
  tideway::Runtime runtime(
      {.transports = tideway::BuiltinTransports(), .codecs = tideway::BuiltinCodecs()});
  std::vector<float> theta(layout->elements());
  const std::vector<float> delta(layout->elements(), 1.0f);
  const auto server =
      tideway::Server::Start(&runtime, {.outer_optimizer = "sgd:lr=1"}, *layout, theta);
  if (!server.ok()) return Fail(server.status());
  const auto client =
      tideway::Client::Create(&runtime, {.servers = (*server)->addresses()}, *layout);
  if (!client.ok()) return Fail(client.status());
  tideway::Executor& executor = runtime.executor();
  const auto deadline = [&executor] { return executor.Now() + absl::Seconds(60); };
  const absl::Status joined =
      tideway::Await([&](auto done) { (*client)->Join(deadline(), std::move(done)); });
  if (!joined.ok()) return Fail(joined);
  const double push = SecondsOf(executor, rounds, [&] {
    return tideway::AwaitResult<tideway::PushReport>(
               [&](auto done) { (*client)->Push(delta, {}, deadline(), std::move(done)); })
        .ok();
  });
  const double pull = SecondsOf(executor, rounds, [&] {
    return tideway::AwaitResult<tideway::PullReport>([&](auto done) {
             (*client)->Pull(absl::MakeSpan(theta), {}, deadline(), std::move(done));
           })
        .ok();
  });
  if (push < 0 || pull < 0) return Fail(absl::InternalError("a call failed"));
  std::printf("{\"push\": %.9f, \"pull\": %.9f}\n", push, pull);
  return 0;
}
