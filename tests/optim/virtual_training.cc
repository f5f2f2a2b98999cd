#include "tests/optim/virtual_training.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <utility>

#include "core/optim/scheduler.h"
#include "gtest/gtest.h"
#include "tideway/outer_optimizer.h"

namespace tideway::optim {
namespace {

constexpr size_t kBatch = 16;
constexpr size_t kHeldOut = 1000;

// AdamW as the trainer uses it: betas 0.9 and 0.99, its state is never reset.
class AdamW {
 public:
  void Step(float rate, const std::vector<float>& gradient, std::vector<float>& theta) {
    m_.resize(theta.size());
    v_.resize(theta.size());
    ++steps_;
    const float fix_m = 1 - std::pow(0.9f, static_cast<float>(steps_));
    const float fix_v = 1 - std::pow(0.99f, static_cast<float>(steps_));
    for (size_t i = 0; i < theta.size(); ++i) {
      m_[i] = 0.9f * m_[i] + 0.1f * gradient[i];
      v_[i] = 0.99f * v_[i] + 0.01f * gradient[i] * gradient[i];
      theta[i] -= rate * (m_[i] / fix_m) / (std::sqrt(v_[i] / fix_v) + 1e-8f);
    }
  }

 private:
  std::vector<float> m_, v_;
  uint64_t steps_ = 0;
};

// The layers of a flat parameter vector: hidden (each row: inputs, then the bias), then output.
float Affine(const float* row, const float* x, size_t n) {
  float sum = row[n];
  for (size_t i = 0; i < n; ++i) sum += row[i] * x[i];
  return sum;
}

struct Activations {
  float hidden[MixtureProblem::kHidden];
  double probabilities[MixtureProblem::kClasses];
};

// Returns the loss.
double Forward(const std::vector<float>& theta, const float* inputs, size_t label, Activations& a) {
  using P = MixtureProblem;
  const float* row = theta.data();
  for (size_t h = 0; h < P::kHidden; ++h, row += P::kInputs + 1) {
    a.hidden[h] = std::tanh(Affine(row, inputs, P::kInputs));
  }
  double sum = 0;
  for (size_t c = 0; c < P::kClasses; ++c, row += P::kHidden + 1) {
    a.probabilities[c] = std::exp(static_cast<double>(Affine(row, a.hidden, P::kHidden)));
    sum += a.probabilities[c];
  }
  for (double& p : a.probabilities) p /= sum;
  return -std::log(std::max(a.probabilities[label], 1e-30));
}

// Adds the gradient of one example.
void Backward(const std::vector<float>& theta, const float* inputs, size_t label,
              const Activations& a, std::vector<float>& gradient) {
  using P = MixtureProblem;
  const size_t outputs = (P::kInputs + 1) * P::kHidden;
  float back[P::kHidden] = {};
  for (size_t c = 0; c < P::kClasses; ++c) {
    const float error = static_cast<float>(a.probabilities[c] - (c == label ? 1 : 0)) / kBatch;
    const float* row = theta.data() + outputs + c * (P::kHidden + 1);
    float* out = gradient.data() + outputs + c * (P::kHidden + 1);
    for (size_t h = 0; h < P::kHidden; ++h) {
      back[h] += error * row[h];
      out[h] += error * a.hidden[h];
    }
    out[P::kHidden] += error;
  }
  for (size_t h = 0; h < P::kHidden; ++h) {
    const float error = back[h] * (1 - a.hidden[h] * a.hidden[h]);
    float* out = gradient.data() + h * (P::kInputs + 1);
    for (size_t i = 0; i < P::kInputs; ++i) out[i] += error * inputs[i];
    out[P::kInputs] += error;
  }
}

float Rate(double rate_max, double progress) {
  const double cosine = 0.5 * (1 + std::cos(M_PI * std::min(progress, 1.0)));
  return static_cast<float>(rate_max * (0.1 + 0.9 * cosine));
}

// One run: workers whose cycles end at times on a virtual clock, and one server.
class Run {
 public:
  Run(const MixtureProblem& problem, const VirtualTraining& training)
      : problem_(problem),
        training_(training),
        random_(training.seed),
        scheduler_(*Scheduler::Create(training.scheduling)),
        optimizer_(*BuiltinOuterOptimizers().Create(training.outer_optimizer)),
        theta_(problem.Initial()),
        state_(optimizer_->NewState(theta_.size())),
        inner_(training.step_seconds.size()) {}

  VirtualResult Go() {
    for (uint64_t worker = 0; worker < inner_.size(); ++worker) {
      EXPECT_TRUE(scheduler_.Join(worker, Now()).ok());
    }
    StartReleased();
    while (!cycles_.empty()) {
      const auto next = std::min_element(
          cycles_.begin(), cycles_.end(),
          [](const auto& a, const auto& b) { return a.second.ends < b.second.ends; });
      const double deadline = absl::ToDoubleSeconds(scheduler_.NextDeadline() - absl::UnixEpoch());
      if (deadline < next->second.ends) {
        now_ = std::max(now_, deadline);
      } else {
        now_ = next->second.ends;
        Finish(next->first, next->second);
        cycles_.erase(next);
      }
      StartReleased();
    }
    return {theta_, now_, problem_.Loss(theta_)};
  }

 private:
  struct Cycle {
    Assignment assignment;
    std::vector<float> delta;
    double begins, ends;
  };

  absl::Time Now() const { return absl::UnixEpoch() + absl::Seconds(now_); }

  void StartReleased() {
    for (const Release& release : scheduler_.Poll(Now())) {
      if (!release.assignment.finished) Start(release.worker, release.assignment);
    }
  }

  // The inner steps depend on nothing that happens meanwhile, so they are taken at once.
  void Start(uint64_t worker, const Assignment& assignment) {
    std::vector<float> local = theta_, gradient;
    for (uint32_t step = 0; step < assignment.inner_steps; ++step) {
      problem_.Gradient(local, assignment.shard, assignment.shard_step + step, gradient);
      const double progress = assignment.progress_begin + step * assignment.progress_per_step;
      inner_[worker].Step(Rate(training_.learning_rate, progress), gradient, local);
    }
    for (size_t i = 0; i < local.size(); ++i) local[i] = theta_[i] - local[i];
    const double noise = std::uniform_real_distribution<double>(-1, 1)(random_);
    const double seconds =
        assignment.inner_steps * training_.step_seconds[worker] * (1 + training_.jitter * noise);
    cycles_[worker] = {assignment, std::move(local), now_, now_ + seconds};
  }

  void Finish(uint64_t worker, const Cycle& cycle) {
    const auto applied = optimizer_->Apply(absl::MakeSpan(theta_), cycle.delta,
                                           {.active_workers = scheduler_.active_workers()}, state_);
    EXPECT_TRUE(applied.ok()) << applied.status();
    const Arrival arrival = {cycle.assignment.inner_steps, cycle.ends - cycle.begins};
    EXPECT_TRUE(scheduler_.Arrive(worker, arrival, Now()).ok());
  }

  const MixtureProblem& problem_;
  const VirtualTraining& training_;
  std::mt19937_64 random_;
  Scheduler scheduler_;
  std::unique_ptr<OuterOptimizer> optimizer_;
  std::vector<float> theta_;
  OuterState state_;
  std::vector<AdamW> inner_;
  std::map<uint64_t, Cycle> cycles_;
  double now_ = 0;
};

}  // namespace

MixtureProblem::MixtureProblem(size_t shards, uint64_t seed) : seed_(seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::uniform_real_distribution<double> uniform;
  for (size_t i = 0; i < kClasses * kClusters; ++i) {
    centres_.emplace_back(kInputs);
    for (float& value : centres_.back()) value = normal(random);
  }
  for (size_t shard = 0; shard < shards; ++shard) {
    std::vector<double> weights(centres_.size());
    // A third of the clusters make up most of a shard.
    for (double& weight : weights) weight = uniform(random) < 1 / 3.0 ? 1 : 0.1;
    mixes_.emplace_back(weights.begin(), weights.end());
  }
  for (size_t i = 0; i < kHeldOut; ++i) held_out_.push_back(Draw(i % shards, random));
}

std::vector<float> MixtureProblem::Initial() const {
  std::mt19937_64 random(seed_ + 1);
  std::normal_distribution<float> normal(0.0f, 0.2f);
  std::vector<float> theta(kParameters);
  for (float& value : theta) value = normal(random);
  return theta;
}

MixtureProblem::Example MixtureProblem::Draw(size_t shard, std::mt19937_64& random) const {
  std::discrete_distribution<size_t> mix = mixes_[shard];
  std::normal_distribution<float> noise(0.0f, 0.7f);
  const size_t centre = mix(random);
  Example example;
  for (size_t i = 0; i < kInputs; ++i) example.inputs[i] = centres_[centre][i] + noise(random);
  example.label = centre / kClusters;
  return example;
}

double MixtureProblem::Gradient(const std::vector<float>& theta, size_t shard, uint64_t step,
                                std::vector<float>& gradient) const {
  std::mt19937_64 random(seed_ * 1000003 + shard * 7919 + step * 104729 + 1);
  gradient.assign(theta.size(), 0.0f);
  double loss = 0;
  for (size_t i = 0; i < kBatch; ++i) {
    const Example example = Draw(shard, random);
    Activations activations;
    loss += Forward(theta, example.inputs, example.label, activations) / kBatch;
    Backward(theta, example.inputs, example.label, activations, gradient);
  }
  return loss;
}

double MixtureProblem::Loss(const std::vector<float>& theta) const {
  double loss = 0;
  for (const Example& example : held_out_) {
    Activations activations;
    loss += Forward(theta, example.inputs, example.label, activations) / kHeldOut;
  }
  return loss;
}

VirtualResult Train(const MixtureProblem& problem, const VirtualTraining& training) {
  return Run(problem, training).Go();
}

}  // namespace tideway::optim
