#include "trainer/gpt.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <ATen/CPUGeneratorImpl.h>

#include "absl/strings/str_cat.h"

namespace tideway::trainer {
namespace {

constexpr double kInitialDeviation = 0.02;

torch::Tensor Norm(const torch::Tensor& x, const torch::Tensor& weight) {
  return torch::layer_norm(x, {x.size(-1)}, weight, /*bias=*/{}, 1e-5);
}

}  // namespace

Gpt::Gpt(const GptConfig& config, uint64_t seed) : config_(config) {
  at::Generator random = at::make_generator<at::CPUGeneratorImpl>(seed);
  const auto normal = [&random](int64_t rows, int64_t columns, double deviation) {
    return torch::empty({rows, columns}).normal_(0.0, deviation, random);
  };
  const int64_t d = config.width;
  // Each block adds twice to the residual stream; smaller writes keep its variance near one.
  const double residual_deviation = kInitialDeviation / std::sqrt(2.0 * config.layers);

  token_embedding_ = Add("token_embedding", normal(kVocabulary, d, kInitialDeviation));
  position_embedding_ = Add("position_embedding", normal(config.context, d, kInitialDeviation));
  for (int i = 0; i < config.layers; ++i) {
    const std::string at = absl::StrCat("block", i, ".");
    Block block;
    block.norm1 = Add(at + "norm1", torch::ones({d}));
    block.qkv = Add(at + "qkv", normal(3 * d, d, kInitialDeviation));
    block.attention_out = Add(at + "attention_out", normal(d, d, residual_deviation));
    block.norm2 = Add(at + "norm2", torch::ones({d}));
    block.mlp_in = Add(at + "mlp_in", normal(4 * d, d, kInitialDeviation));
    block.mlp_out = Add(at + "mlp_out", normal(d, 4 * d, residual_deviation));
    blocks_.push_back(std::move(block));
  }
  final_norm_ = Add("final_norm", torch::ones({d}));

  causal_mask_ =
      torch::full({1, config.context, config.context}, -std::numeric_limits<float>::infinity())
          .triu(1);
}

torch::Tensor Gpt::Add(const std::string& name, torch::Tensor initial) {
  initial.requires_grad_(true);
  parameters_.push_back({name, initial});
  return initial;
}

torch::Tensor Gpt::Attention(const Block& block, const torch::Tensor& x) const {
  const int64_t batch = x.size(0), length = x.size(1), d = x.size(2);
  const int64_t heads = config_.heads, head_width = d / heads;
  // One product for queries, keys and values: [3, batch * heads, length, head_width].
  const torch::Tensor qkv = torch::linear(x, block.qkv)
                                .view({batch, length, 3, heads, head_width})
                                .permute({2, 0, 3, 1, 4})
                                .reshape({3, batch * heads, length, head_width});
  const torch::Tensor mask = causal_mask_.slice(1, 0, length).slice(2, 0, length);
  // Scale, mask and product in one call.
  const torch::Tensor scores =
      torch::baddbmm(mask, qkv[0], qkv[1].transpose(1, 2), /*beta=*/1.0,
                     /*alpha=*/1.0 / std::sqrt(static_cast<double>(head_width)));
  const torch::Tensor mixed = torch::bmm(torch::softmax(scores, -1), qkv[2])
                                  .view({batch, heads, length, head_width})
                                  .transpose(1, 2)
                                  .reshape({batch, length, d});
  return torch::linear(mixed, block.attention_out);
}

torch::Tensor Gpt::Mlp(const Block& block, const torch::Tensor& x) const {
  return torch::linear(torch::gelu(torch::linear(x, block.mlp_in)), block.mlp_out);
}

torch::Tensor Gpt::Logits(const torch::Tensor& inputs) const {
  torch::Tensor x =
      torch::embedding(token_embedding_, inputs) + position_embedding_.slice(0, 0, inputs.size(1));
  for (const Block& block : blocks_) {
    x = x + Attention(block, Norm(x, block.norm1));
    x = x + Mlp(block, Norm(x, block.norm2));
  }
  return torch::linear(Norm(x, final_norm_), token_embedding_);
}

torch::Tensor Gpt::Loss(const torch::Tensor& inputs, const torch::Tensor& targets) const {
  const torch::Tensor logits = Logits(inputs).view({-1, kVocabulary});
  return torch::nll_loss(torch::log_softmax(logits, 1), targets.view({-1}));
}

std::string SampleText(const Gpt& model, const std::string& prompt, int bytes, double temperature,
                       uint64_t seed) {
  torch::NoGradGuard no_grad;
  at::Generator random = at::make_generator<at::CPUGeneratorImpl>(seed);
  std::string text = prompt.empty() ? "\n" : prompt;
  const size_t context = static_cast<size_t>(model.config().context);
  for (int i = 0; i < bytes; ++i) {
    const size_t length = std::min(text.size(), context);
    torch::Tensor window = torch::empty({1, static_cast<int64_t>(length)}, torch::kInt64);
    for (size_t j = 0; j < length; ++j) {
      window.data_ptr<int64_t>()[j] = static_cast<uint8_t>(text[text.size() - length + j]);
    }
    const torch::Tensor logits = model.Logits(window)[0][static_cast<int64_t>(length) - 1];
    const torch::Tensor next =
        torch::multinomial(torch::softmax(logits / temperature, 0), 1, false, random);
    text.push_back(static_cast<char>(next.item<int64_t>()));
  }
  return text;
}

}  // namespace tideway::trainer
