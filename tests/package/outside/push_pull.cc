// A program that uses nothing but the installed package: it starts a server, pushes one delta over
// TCP, pulls the parameters and checks them.

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "tideway/blocking.h"
#include "tideway/builtin_codecs.h"
#include "tideway/builtin_transports.h"
#include "tideway/client.h"
#include "tideway/layout.h"
#include "tideway/runtime.h"
#include "tideway/server.h"
#include "tideway/version.h"

namespace {

constexpr int kElements = 1000;

int Fail(const std::string& what) {
  std::fprintf(stderr, "push_pull: %s\n", what.c_str());
  return 1;
}

// Pushes a delta of ones and returns the parameters pulled after it.
absl::StatusOr<std::vector<float>> PushOnes(tideway::Runtime& runtime, const std::string& server,
                                            const tideway::Layout& layout) {
  auto client = tideway::Client::Create(&runtime, {.servers = {server}, .worker = "me"}, layout);
  if (!client.ok()) return client.status();
  const absl::Time deadline = runtime.executor().Now() + absl::Seconds(20);
  absl::Status status =
      tideway::Await([&](auto done) { (*client)->Join(deadline, std::move(done)); });
  if (!status.ok()) return status;
  std::vector<float> theta(kElements);
  const std::vector<float> delta(kElements, 1.0f);
  auto report = tideway::AwaitResult<tideway::Client::PushPullReport>([&](auto done) {
    (*client)->PushPull(delta, {.inner_steps = 1}, absl::MakeSpan(theta), {}, deadline,
                        std::move(done));
  });
  if (!report.ok()) return report.status();
  status = tideway::Await([&](auto done) { (*client)->Leave(deadline, std::move(done)); });
  if (!status.ok()) return status;
  return theta;
}

}  // namespace

int main() {
  tideway::Runtime runtime(
      {.transports = tideway::BuiltinTransports(), .codecs = tideway::BuiltinCodecs()});
  auto layout = tideway::Layout::Create({{"w", {kElements}}});
  if (!layout.ok()) return Fail(layout.status().ToString());
  auto server = tideway::Server::Start(
      &runtime, {.listen = {"tcp://127.0.0.1:0"}, .outer_optimizer = "sgd:lr=0.5"}, *layout,
      std::vector<float>(kElements, 2.0f));
  if (!server.ok()) return Fail(server.status().ToString());
  auto theta = PushOnes(runtime, (*server)->addresses()[0], *layout);
  if (!theta.ok()) return Fail(theta.status().ToString());
  for (float value : *theta) {
    if (value != 1.5f) return Fail("a parameter is " + std::to_string(value) + ", not 2 - 0.5");
  }
  std::printf("Tideway %s: pushed, pulled, 2 - 0.5 * 1 = %.1f\n", tideway::kVersion,
              static_cast<double>((*theta)[0]));
  return 0;
}
