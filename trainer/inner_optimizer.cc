#include "trainer/inner_optimizer.h"

#include <algorithm>
#include <cstdint>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tideway::trainer {
namespace {

using StateMap = std::decay_t<decltype(std::declval<torch::optim::AdamW>().state())>;

// LibTorch 1 names a parameter's state by text, LibTorch 2 by pointer.
template <typename Key = StateMap::key_type>
Key KeyOf(const torch::Tensor& tensor) {
  if constexpr (std::is_same_v<Key, std::string>) {
    std::ostringstream text;
    text << tensor.unsafeGetTensorImpl();
    return text.str();
  } else {
    return tensor.unsafeGetTensorImpl();
  }
}

constexpr char kFirst[] = "first_moment/";
constexpr char kSecond[] = "second_moment/";

SafetensorsView ViewOf(const std::string& name, const torch::Tensor& tensor) {
  return {name, tensor.sizes().vec(),
          absl::MakeConstSpan(tensor.data_ptr<float>(), static_cast<size_t>(tensor.numel()))};
}

}  // namespace

InnerOptimizer::InnerOptimizer(const Gpt& model, const InnerOptimizerOptions& options)
    : options_(options), parameters_(model.parameters()) {
  std::vector<torch::Tensor> matrices, vectors;
  for (const NamedParameter& parameter : model.parameters()) {
    tensors_.push_back(parameter.tensor);
    (parameter.tensor.dim() >= 2 ? matrices : vectors).push_back(parameter.tensor);
  }
  const auto group = [&options](std::vector<torch::Tensor> tensors, double weight_decay) {
    auto settings = std::make_unique<torch::optim::AdamWOptions>(0.0);
    settings->betas({options.beta1, options.beta2}).weight_decay(weight_decay);
    return torch::optim::OptimizerParamGroup(std::move(tensors), std::move(settings));
  };
  std::vector<torch::optim::OptimizerParamGroup> groups;
  groups.push_back(group(std::move(matrices), options.weight_decay));
  groups.push_back(group(std::move(vectors), 0.0));
  adamw_ = std::make_unique<torch::optim::AdamW>(std::move(groups));
}

void InnerOptimizer::Step(double learning_rate) {
  torch::nn::utils::clip_grad_norm_(tensors_, options_.clip_norm);
  for (auto& group : adamw_->param_groups()) {
    static_cast<torch::optim::AdamWOptions&>(group.options()).lr(learning_rate);
  }
  adamw_->step();
  adamw_->zero_grad();
  ++steps_;
}

void InnerOptimizer::AppendMoments(std::vector<SafetensorsView>* views) const {
  if (steps_ == 0) return;
  for (const NamedParameter& parameter : parameters_) {
    const auto& state = static_cast<const torch::optim::AdamWParamState&>(
        *adamw_->state().at(KeyOf(parameter.tensor)));
    views->push_back(ViewOf(kFirst + parameter.name, state.exp_avg()));
    views->push_back(ViewOf(kSecond + parameter.name, state.exp_avg_sq()));
  }
}

absl::Status InnerOptimizer::Restore(const Safetensors& file, uint64_t steps) {
  if (steps == 0) return absl::OkStatus();
  for (const NamedParameter& parameter : parameters_) {
    const size_t elements = static_cast<size_t>(parameter.tensor.numel());
    if (file.Find(kFirst + parameter.name).size() != elements ||
        file.Find(kSecond + parameter.name).size() != elements) {
      return absl::FailedPreconditionError(
          absl::StrCat("the checkpoint's optimizer state does not fit parameter ", parameter.name,
                       "; it is of another model"));
    }
  }
  for (const NamedParameter& parameter : parameters_) {
    const auto copy = [&](const std::string& name) {
      const absl::Span<const float> values = file.Find(name);
      torch::Tensor tensor = torch::empty_like(parameter.tensor).detach();
      std::copy(values.begin(), values.end(), tensor.data_ptr<float>());
      return tensor;
    };
    auto state = std::make_unique<torch::optim::AdamWParamState>();
    state->step(static_cast<int64_t>(steps));
    state->exp_avg(copy(kFirst + parameter.name));
    state->exp_avg_sq(copy(kSecond + parameter.name));
    adamw_->state()[KeyOf(parameter.tensor)] = std::move(state);
  }
  steps_ = steps;
  return absl::OkStatus();
}

}  // namespace tideway::trainer
