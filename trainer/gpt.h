// A byte-level GPT, small enough to read from top to bottom.
//
// Pre-norm transformer blocks with causal self-attention and a GELU MLP, learned positions, no
// biases, and the embedding table used again as the output layer (tied). A token is a byte, so the
// vocabulary is 256 and no tokenizer has to travel with a checkpoint.
//
// The parameters are a flat list in a fixed order that depends on the configuration alone. That
// order is the layout which workers and servers agree on, so two processes that build the same
// configuration hold interchangeable parameters. Initial values depend on the configuration and the
// seed alone.
//
// One Gpt belongs to one thread at a time. Nothing in here throws on a valid configuration; call
// ValidateGptConfig first, it says in one sentence what is wrong.
#ifndef TIDEWAY_TRAINER_GPT_H_
#define TIDEWAY_TRAINER_GPT_H_

#include <cstdint>
#include <string>
#include <vector>

#include <torch/torch.h>

#include "trainer/gpt_config.h"

namespace tideway::trainer {

struct NamedParameter {
  std::string name;
  torch::Tensor tensor;  // contiguous fp32 leaf, shared with the model
};

class Gpt {
 public:
  // REQUIRES: ValidateGptConfig(config).ok().
  Gpt(const GptConfig& config, uint64_t seed);

  // Mean cross-entropy, in nats per byte. `inputs` and `targets` are int64 [batch, length] with
  // length <= context.
  torch::Tensor Loss(const torch::Tensor& inputs, const torch::Tensor& targets) const;

  // Scores of the next byte at each position: [batch, length, 256].
  torch::Tensor Logits(const torch::Tensor& inputs) const;

  const std::vector<NamedParameter>& parameters() const { return parameters_; }
  const GptConfig& config() const { return config_; }

 private:
  struct Block {
    torch::Tensor norm1, qkv, attention_out, norm2, mlp_in, mlp_out;
  };

  torch::Tensor Add(const std::string& name, torch::Tensor initial);
  torch::Tensor Attention(const Block& block, const torch::Tensor& x) const;
  torch::Tensor Mlp(const Block& block, const torch::Tensor& x) const;

  GptConfig config_;
  std::vector<NamedParameter> parameters_;
  torch::Tensor token_embedding_, position_embedding_, final_norm_;
  torch::Tensor causal_mask_;  // [1, context, context], 0 or -inf; not a parameter
  std::vector<Block> blocks_;
};

// Continues `prompt` by `bytes` bytes, drawn at `temperature` with the given seed. The same
// arguments and parameters give the same text.
std::string SampleText(const Gpt& model, const std::string& prompt, int bytes, double temperature,
                       uint64_t seed);

}  // namespace tideway::trainer

#endif  // TIDEWAY_TRAINER_GPT_H_
