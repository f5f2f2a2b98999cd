// Weight sync: a trainer publishes versions of a bf16 model, and three inference servers (actors, in reinforcement learning)
// follow it, each with a whole version at every moment.
//
// In real life they are programs on other machines. Here each has a Runtime of its own, so that nothing is shared but the wire; one
// of them comes late and is sent the whole.

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tideway/blocking.h"
#include "tideway/builtin_codecs.h"
#include "tideway/builtin_transports.h"
#include "tideway/publisher.h"
#include "tideway/subscriber.h"

namespace {

using tideway::WeightType;

constexpr uint64_t kVersions = 12;
constexpr uint64_t kLate = 7;  // when the third one comes

std::unique_ptr<tideway::Runtime> NewRuntime() {
  return std::make_unique<tideway::Runtime>(tideway::RuntimeOptions{
      .transports = tideway::BuiltinTransports(), .codecs = tideway::BuiltinCodecs()});
}

// Two tensors: an embedding in bf16 and a norm in fp32.
struct Model {
  std::vector<uint16_t> embed = std::vector<uint16_t>(1000 * 256, 0x3c00);
  std::vector<float> norm = std::vector<float>(256, 1.0f);
  std::mt19937 random{1};

  // A step of the optimizer: in bf16 most weights round back to what they were.
  void Step() {
    for (uint16_t& weight : embed) {
      if (random() % 50 == 0) ++weight;
    }
    for (float& weight : norm) weight *= 1.001f;
  }

  std::vector<tideway::WeightView> Views() const {
    return {{"embed", WeightType::kBf16, {1000, 256}, embed.data()},
            {"norm", WeightType::kFp32, {256}, norm.data()}};
  }

  bool Equals(const tideway::Weights& weights) const {
    return std::memcmp(weights.tensor(0).data(), embed.data(), weights.tensor(0).size()) == 0 &&
           std::memcmp(weights.tensor(1).data(), norm.data(), weights.tensor(1).size()) == 0;
  }
};

struct InferenceServer {
  std::unique_ptr<tideway::Runtime> runtime = NewRuntime();
  std::unique_ptr<tideway::Subscriber> subscriber = nullptr;

  absl::Status Start(const std::string& publisher, const std::string& name,
                     const tideway::WeightLayout& layout) {
    auto started =
        tideway::Subscriber::Start(runtime.get(), {.publisher = publisher, .name = name}, layout);
    if (started.ok()) subscriber = *std::move(started);
    return started.status();
  }

  // A server that is under load takes subscriber->current() for each batch; this one waits for that version.
  absl::StatusOr<tideway::WeightsPtr> Reach(tideway::WeightVersionId id) {
    tideway::WeightVersionId seen;
    for (;;) {
      const absl::Time deadline = runtime->executor().Now() + absl::Seconds(20);
      auto weights = tideway::AwaitResult<tideway::WeightsPtr>(
          [&](auto done) { subscriber->WhenNewer(seen, deadline, std::move(done)); });
      if (!weights.ok() || (*weights)->id() == id) return weights;
      seen = (*weights)->id();
    }
  }
};

absl::Status Run() {
  Model model;
  auto layout = tideway::WeightLayout::Create(
      {{"embed", WeightType::kBf16, {1000, 256}}, {"norm", WeightType::kFp32, {256}}});
  if (!layout.ok()) return layout.status();
  const auto runtime = NewRuntime();
  auto publisher =
      tideway::Publisher::Start(runtime.get(), {.listen = {"tcp://127.0.0.1:0"}}, *layout);
  if (!publisher.ok()) return publisher.status();
  const std::string address = (*publisher)->addresses()[0];

  std::vector<InferenceServer> servers(3);
  for (uint64_t version = 1; version <= kVersions; ++version) {
    for (size_t i = 0; i < servers.size(); ++i) {
      if (version != (i < 2 ? 1 : kLate)) continue;
      absl::Status started = servers[i].Start(address, "replica-" + std::to_string(i), *layout);
      if (!started.ok()) return started;
    }
    model.Step();
    const auto report = (*publisher)->Publish(version, model.Views());
    if (!report.ok()) return report.status();
    for (InferenceServer& server : servers) {
      if (server.subscriber == nullptr) continue;
      const auto weights = server.Reach(report->id);
      if (!weights.ok()) return weights.status();
      if (!model.Equals(**weights)) return absl::DataLossError("not the published weights");
    }
    std::printf("version %2llu: %6llu of %llu bytes\n", static_cast<unsigned long long>(version),
                static_cast<unsigned long long>(report->bytes),
                static_cast<unsigned long long>(report->bytes_model));
  }
  for (const auto& subscriber : (*publisher)->stats().subscribers) {
    std::printf("%s was sent %llu bytes\n", subscriber.name.c_str(),
                static_cast<unsigned long long>(subscriber.bytes_sent));
  }
  return absl::OkStatus();
}

}  // namespace

int main() {
  const absl::Status status = Run();
  if (status.ok()) return 0;
  std::fprintf(stderr, "weight_sync: %s\n", status.ToString().c_str());
  return 1;
}
