// The smallest use of Tideway in C++: a server in this process, one client that pushes a delta and pulls what came of it.
//
// In real life the server is another program on another machine, and the client gets its address from the command line.

#include <cstdio>
#include <vector>

#include "tideway/blocking.h"
#include "tideway/builtin_codecs.h"
#include "tideway/builtin_transports.h"
#include "tideway/client.h"
#include "tideway/server.h"

namespace {

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "push_pull: %s\n", status.ToString().c_str());
  return 1;
}

}  // namespace

int main() {
  // The model: one tensor of a thousand parameters, all 2. The server subtracts half of each delta.
  const auto layout = tideway::Layout::Create({{"weight", {10, 100}}});
  if (!layout.ok()) return Fail(layout.status());
  tideway::Runtime runtime(
      {.transports = tideway::BuiltinTransports(), .codecs = tideway::BuiltinCodecs()});
  const auto server = tideway::Server::Start(
      &runtime, {.listen = {"tcp://127.0.0.1:0"}, .outer_optimizer = "sgd:lr=0.5"}, *layout,
      std::vector<float>(layout->elements(), 2.0f));
  if (!server.ok()) return Fail(server.status());

  const auto client = tideway::Client::Create(
      &runtime,
      {.servers = (*server)->addresses(), .worker = "worker-0", .codec_up = "int8:block=256"},
      *layout);
  if (!client.ok()) return Fail(client.status());
  const absl::Time deadline = runtime.executor().Now() + absl::Seconds(20);
  const absl::Status joined =
      tideway::Await([&](auto done) { (*client)->Join(deadline, std::move(done)); });
  if (!joined.ok()) return Fail(joined);

  std::vector<float> theta(layout->elements());
  const std::vector<float> delta(layout->elements(), 1.0f);  // what some inner steps have learned
  const auto report = tideway::AwaitResult<tideway::Client::PushPullReport>([&](auto done) {
    (*client)->PushPull(delta, {.inner_steps = 1}, absl::MakeSpan(theta), {}, deadline,
                        std::move(done));
  });
  if (!report.ok()) return Fail(report.status());
  std::printf("pushed %llu bytes for %llu of fp32; 2 - 0.5 * 1 = %.2f, version %llu\n",
              static_cast<unsigned long long>(report->push.bytes),
              static_cast<unsigned long long>(report->push.bytes_fp32),
              static_cast<double>(theta[0]),
              static_cast<unsigned long long>(report->pull.version_max));

  const absl::Status left =
      tideway::Await([&](auto done) { (*client)->Leave(deadline, std::move(done)); });
  if (!left.ok()) return Fail(left);
  return theta[0] > 1.49f && theta[0] < 1.51f ? 0 : 1;
}
