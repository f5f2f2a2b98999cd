// A training loop in LibTorch that two workers share: a small network learns to tell three noisy spirals apart.
//
// Train() is an ordinary loop over torch::optim; what Tideway adds are the calls of LocalSgd. In real life each worker and the server
// are programs of their own on machines of their own. Here they are threads, each with a Runtime of its own, so that nothing is shared
// but the wire. Each worker has a few points that the other one never sees. Succeeds if two workers end with a lower held-out loss than
// one, with as many inner steps per worker.
//
//   example_libtorch [address, for example ucx://127.0.0.1:0]

#include <torch/torch.h>

#include <cstdio>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tideway/builtin_codecs.h"
#include "tideway/builtin_transports.h"
#include "tideway/local_sgd.h"
#include "tideway/server.h"

namespace {

constexpr int kSteps = 300;        // of each worker
constexpr int kStepsBetween = 20;  // two exchanges
constexpr int64_t kPoints = 50;    // that a worker has
constexpr int64_t kBatch = 32;
constexpr uint64_t kUnseen = 12345;  // the seed of points that no worker has

tideway::RuntimeOptions Builtin() {
  return {.transports = tideway::BuiltinTransports(), .codecs = tideway::BuiltinCodecs()};
}

torch::nn::Sequential NewModel() {
  torch::manual_seed(0);
  return torch::nn::Sequential(torch::nn::Linear(2, 64), torch::nn::Tanh(),
                               torch::nn::Linear(64, 64), torch::nn::Tanh(),
                               torch::nn::Linear(64, 3));
}

// Where the parameters live. Optimizers change them in place, so this stays true.
std::vector<tideway::ParameterView> ViewsOf(const torch::nn::Sequential& model) {
  std::vector<tideway::ParameterView> views;
  for (const auto& parameter : model->named_parameters()) {
    views.push_back(
        {parameter.key(), parameter.value().sizes().vec(), parameter.value().data_ptr<float>()});
  }
  return views;
}

struct Points {
  torch::Tensor places;
  torch::Tensor arms;  // which of the three each one lies on
};

Points Sample(int64_t size, uint64_t seed) {
  torch::Generator generator = torch::make_generator<torch::CPUGeneratorImpl>(seed);
  const torch::Tensor arms = torch::randint(3, {size}, generator, torch::kLong);
  const torch::Tensor along = torch::rand({size}, generator);
  const torch::Tensor angle = 5 * along + 2.094 * arms + 0.15 * torch::randn({size}, generator);
  return {2 * torch::stack({along * angle.cos(), along * angle.sin()}, 1), arms};
}

torch::Tensor LossOf(torch::nn::Sequential& model, const Points& points) {
  return torch::nn::functional::cross_entropy(model->forward(points.places), points.arms);
}

// One worker, from its beginning to its end.
absl::Status Train(const std::string& server, int worker) {
  tideway::Runtime runtime(Builtin());
  torch::nn::Sequential model = NewModel();
  torch::optim::SGD optimizer(model->parameters(), torch::optim::SGDOptions(0.05).momentum(0.9));
  const Points own = Sample(kPoints, static_cast<uint64_t>(worker));
  auto draws = torch::make_generator<torch::CPUGeneratorImpl>(static_cast<uint64_t>(worker));

  auto sync = tideway::LocalSgd::Join(&runtime,
                                      {.servers = {server},
                                       .worker = absl::StrCat("worker-", worker),
                                       .codec_up = "int8:block=256",
                                       .inner_steps = kStepsBetween},
                                      ViewsOf(model));
  if (!sync.ok()) return sync.status();
  for (int step = 0; step < kSteps; ++step) {
    const torch::Tensor drawn = torch::randint(kPoints, {kBatch}, draws, torch::kLong);
    const torch::Tensor loss = LossOf(model, {own.places.index({drawn}), own.arms.index({drawn})});
    optimizer.zero_grad();
    loss.backward();
    optimizer.step();
    const auto event = (*sync)->AfterInnerStep({.loss = loss.item<double>(), .tokens = kBatch});
    if (!event.ok()) return event.status();
  }
  return (*sync)->Leave();
}

// The server's model on points that no worker has seen.
absl::StatusOr<double> HeldOutLoss(const tideway::Server& server, const tideway::Layout& layout) {
  std::vector<float> values(layout.elements());
  const absl::Status status = server.ReadParameters(absl::MakeSpan(values));
  if (!status.ok()) return status;
  torch::NoGradGuard no_grad;
  torch::nn::Sequential model = NewModel();
  torch::nn::utils::vector_to_parameters(torch::tensor(values), model->parameters());
  return LossOf(model, Sample(4000, kUnseen)).item<double>();
}

absl::StatusOr<double> HeldOutLossAfter(int workers, const std::string& address) {
  const torch::nn::Sequential model = NewModel();
  std::vector<tideway::TensorSpec> tensors;
  for (const auto& view : ViewsOf(model)) tensors.push_back({view.name, view.shape});
  const auto layout = tideway::Layout::Create(std::move(tensors));
  if (!layout.ok()) return layout.status();
  const torch::Tensor initial = torch::nn::utils::parameters_to_vector(model->parameters());

  tideway::Runtime runtime(Builtin());
  // Every push moves the model by its share: it becomes the mean of what the workers learn.
  tideway::ServerOptions options = {.listen = {address},
                                    .outer_optimizer = absl::StrCat("sgd:lr=", 1.0 / workers)};
  options.scheduling.inner_steps = kStepsBetween;
  options.scheduling.dylu = false;
  options.scheduling.workers_to_begin = static_cast<uint32_t>(workers);
  const auto server =
      tideway::Server::Start(&runtime, options, *layout,
                             absl::MakeConstSpan(initial.data_ptr<float>(), layout->elements()));
  if (!server.ok()) return server.status();

  std::vector<absl::Status> ends(static_cast<size_t>(workers));
  std::vector<std::thread> threads;
  for (int worker = 0; worker < workers; ++worker) {
    threads.emplace_back([&, worker] {
      ends[static_cast<size_t>(worker)] = Train((*server)->addresses()[0], worker);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& end : ends) {
    if (!end.ok()) return end;
  }
  return HeldOutLoss(**server, *layout);
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "libtorch: %s\n", status.ToString().c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string address = argc > 1 ? argv[1] : "tcp://127.0.0.1:0";
  torch::set_num_threads(1);  // per worker
  const auto one = HeldOutLossAfter(1, address);
  if (!one.ok()) return Fail(one.status());
  const auto two = HeldOutLossAfter(2, address);
  if (!two.ok()) return Fail(two.status());
  std::printf("1 worker:  held-out loss %.4f after %d inner steps\n", *one, kSteps);
  std::printf("2 workers: held-out loss %.4f after %d inner steps each\n", *two, kSteps);
  return *two < *one ? 0 : 1;
}
