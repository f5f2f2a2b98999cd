// How fast weight sync is, against memcpy of the same weights in the same run: one publisher and up to three subscribers over
// TCP on the loopback, in one process, each with a runtime of its own.
//
//   bench_weight_sync > weight_sync.json
//
// The model is 256 MiB of bf16 in 16 tensors. Between two versions 2 % of the words change, at random places, by a factor of
// 1 + 0.01 N(0, 1), and by one unit in the last place at least. A version is published when all subscribers have the one before, so that
// nothing else runs while it is encoded. Publish is timed as the caller sees it: comparing, encoding, updating the publisher's copy
// and hashing it.

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/common/control.h"
#include "bench/common/vectors.h"
#include "tideway/blocking.h"
#include "tideway/builtin_codecs.h"
#include "tideway/builtin_transports.h"
#include "tideway/publisher.h"
#include "tideway/subscriber.h"

namespace tideway {
namespace {

constexpr size_t kTensors = 16;
constexpr int64_t kRows = 2048;
constexpr int64_t kColumns = 4096;
constexpr size_t kTensorWords = static_cast<size_t>(kRows * kColumns);
constexpr size_t kWords = kTensors * kTensorWords;
constexpr size_t kBytes = kWords * sizeof(uint16_t);
constexpr double kChanged = 0.02;
constexpr int kVersions = 9;  // per case; the first one is the whole and is not counted

static_assert(kBytes == size_t{256} << 20);

double Seconds(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
}

float ToFloat(uint16_t word) { return std::bit_cast<float>(static_cast<uint32_t>(word) << 16); }
uint16_t ToBf16(float value) {
  return static_cast<uint16_t>((std::bit_cast<uint32_t>(value) + 0x8000) >> 16);
}

// The trainer's weights, and where memcpy copies them to.
class Model {
 public:
  Model() : words_(kBytes / sizeof(float)), copy_(kBytes / sizeof(float)) {
    std::normal_distribution<float> normal(0.0f, 0.02f);
    for (size_t i = 0; i < kWords; ++i) {
      words()[i] = i < kTensorWords ? ToBf16(normal(random_)) : words()[i - kTensorWords];
    }
    Copy();
  }

  uint16_t* words() { return reinterpret_cast<uint16_t*>(words_.data()); }

  double Copy() {
    const auto began = std::chrono::steady_clock::now();
    std::memcpy(copy_.data(), words_.data(), kBytes);
    return Seconds(began);
  }

  void Change() {
    std::normal_distribution<float> normal(1.0f, 0.01f);
    std::geometric_distribution<size_t> gap(kChanged);
    for (size_t i = gap(random_); i < kWords; i += 1 + gap(random_)) {
      const uint16_t changed = ToBf16(ToFloat(words()[i]) * normal(random_));
      words()[i] = changed == words()[i] ? static_cast<uint16_t>(changed + 1) : changed;
    }
  }

  std::vector<WeightView> Views() {
    std::vector<WeightView> views;
    for (size_t i = 0; i < kTensors; ++i) {
      views.push_back({absl::StrCat("layer.", i, ".weight"),
                       WeightType::kBf16,
                       {kRows, kColumns},
                       words() + i * kTensorWords});
    }
    return views;
  }

 private:
  std::mt19937_64 random_{1};
  bench::Vector words_;
  bench::Vector copy_;
};

template <typename T>
T OrThrow(absl::StatusOr<T> result) {
  if (!result.ok()) throw std::runtime_error(result.status().ToString());
  return *std::move(result);
}

std::unique_ptr<Runtime> NewRuntime() {
  return std::make_unique<Runtime>(
      RuntimeOptions{.transports = BuiltinTransports(), .codecs = BuiltinCodecs()});
}

WeightLayout LayoutOf(Model& model) {
  std::vector<WeightSpec> specs;
  for (const WeightView& view : model.Views()) specs.push_back({view.name, view.type, view.shape});
  return OrThrow(WeightLayout::Create(std::move(specs)));
}

struct End {
  std::unique_ptr<Runtime> runtime = NewRuntime();
  std::unique_ptr<Subscriber> subscriber = nullptr;

  // Whether exactly the model's weights are in use, once that version is.
  bool Reach(WeightVersionId id, Model& model) {
    WeightVersionId seen;
    for (;;) {
      const auto weights = OrThrow(AwaitResult<WeightsPtr>([&](auto done) {
        subscriber->WhenNewer(seen, runtime->executor().Now() + absl::Seconds(60), std::move(done));
      }));
      seen = weights->id();
      if (seen != id) continue;
      bool equal = true;
      for (size_t i = 0; i < kTensors; ++i) {
        equal &= std::memcmp(weights->tensor(i).data(), model.words() + i * kTensorWords,
                             kTensorWords * sizeof(uint16_t)) == 0;
      }
      return equal;
    }
  }
};

// `threads`: that encode.
nlohmann::json Measure(Model& model, int threads, size_t subscribers) {
  const WeightLayout layout = LayoutOf(model);
  const auto runtime = NewRuntime();
  const auto publisher = OrThrow(Publisher::Start(
      runtime.get(), {.codec = "sparse_lossless", .encode_threads = threads}, layout));
  std::vector<End> ends(subscribers);
  for (End& end : ends) {
    end.subscriber = OrThrow(Subscriber::Start(
        end.runtime.get(), {.publisher = publisher->addresses()[0], .copies_max = 2}, layout));
  }
  std::vector<double> copies, encodings, bytes, arrivals, installs;
  bool equal = true;
  for (uint64_t version = 1; version <= kVersions; ++version) {
    copies.push_back(model.Copy());
    model.Change();
    const PublishReport report = OrThrow(publisher->Publish(version, model.Views()));
    const auto published = std::chrono::steady_clock::now();
    for (End& end : ends) equal &= end.Reach(report.id, model);
    if (version == 1) continue;
    encodings.push_back(report.seconds);
    bytes.push_back(static_cast<double>(report.bytes));
    arrivals.push_back(Seconds(published));
    for (End& end : ends) installs.push_back(end.subscriber->stats().seconds_install_last);
  }
  const PublisherStats stats = publisher->stats();
  return {{"encode_threads", threads},
          {"subscribers", subscribers},
          {"memcpy_s", copies},
          {"encode_s", encodings},
          {"bytes", bytes},
          {"arrival_s",
           arrivals},  // from the end of Publish until all have it in use, comparing included
          {"install_s", installs},  // from its announcement until it is in use, each subscriber
          {"versions_encoded", stats.versions},
          {"bytes_encoded", stats.bytes_encoded},
          {"bytes_sent", stats.bytes_sent},
          {"equal", equal}};
}

void Run() {
  Model model;
  nlohmann::json result = {{"model_bytes", kBytes},
                           {"changed", kChanged},
                           {"cores", std::thread::hardware_concurrency()},
                           {"cases", nlohmann::json::array()}};
  for (const auto& [threads, subscribers] :
       {std::pair<int, size_t>{1, 0}, {0, 0}, {0, 1}, {0, 3}}) {
    result["cases"].push_back(Measure(model, threads, subscribers));
  }
  std::printf("%s\n", result.dump(1).c_str());
}

}  // namespace
}  // namespace tideway

int main() { return bench::Main(tideway::Run); }
