#include "trainer/gpt.h"

#include <cmath>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "trainer/inner_optimizer.h"
#include "trainer/schedule.h"

namespace tideway::trainer {
namespace {

constexpr GptConfig kSmall = {.layers = 2, .heads = 2, .width = 16, .context = 8};

torch::Tensor Tokens(std::vector<int64_t> bytes) {
  return torch::tensor(bytes, torch::kInt64).view({1, -1});
}

std::vector<float> Flat(const Gpt& model) {
  std::vector<float> all;
  for (const NamedParameter& parameter : model.parameters()) {
    const float* values = parameter.tensor.data_ptr<float>();
    all.insert(all.end(), values, values + parameter.tensor.numel());
  }
  return all;
}

void TrainStep(const Gpt& model, InnerOptimizer* optimizer, int step) {
  const torch::Tensor inputs = Tokens({1, 2, 3, 4, 5, 6, 7, step % 50});
  const torch::Tensor targets = Tokens({2, 3, 4, 5, 6, 7, 8, 9});
  model.Loss(inputs, targets).backward();
  optimizer->Step(1e-2);
}

TEST(Gpt, TheSeedAloneDecidesTheInitialParameters) {
  EXPECT_EQ(Flat(Gpt(kSmall, 5)), Flat(Gpt(kSmall, 5)));
  EXPECT_NE(Flat(Gpt(kSmall, 5)), Flat(Gpt(kSmall, 6)));
}

TEST(Gpt, ParameterCountMatchesTheModelAndNamesAreUnique) {
  for (const GptConfig& config : {kSmall, GptConfig{}, GptConfig{1, 1, 8, 2}}) {
    const Gpt model(config, 1);
    EXPECT_EQ(static_cast<int64_t>(Flat(model).size()), ParameterCount(config));
    std::set<std::string> names;
    for (const NamedParameter& parameter : model.parameters()) names.insert(parameter.name);
    EXPECT_EQ(names.size(), model.parameters().size());
  }
}

TEST(Gpt, AnUntrainedModelIsAboutAsGoodAsGuessing) {
  torch::NoGradGuard no_grad;
  const double loss =
      Gpt(kSmall, 1).Loss(Tokens({1, 50, 100}), Tokens({50, 100, 200})).item<double>();
  EXPECT_NEAR(loss, std::log(256.0), 0.3);
}

TEST(Gpt, APositionSeesNothingThatComesAfterIt) {
  torch::NoGradGuard no_grad;
  const Gpt model(kSmall, 1);
  const torch::Tensor one = model.Logits(Tokens({1, 2, 3, 4})),
                      two = model.Logits(Tokens({1, 2, 9, 9}));
  EXPECT_TRUE(torch::allclose(one.slice(1, 0, 2), two.slice(1, 0, 2), 1e-5, 1e-6));
  EXPECT_FALSE(torch::allclose(one.slice(1, 2, 4), two.slice(1, 2, 4), 1e-5, 1e-6));
}

TEST(Gpt, GradientsAgreeWithFiniteDifferences) {
  const Gpt model(kSmall, 3);
  const torch::Tensor inputs = Tokens({1, 2, 3, 4}), targets = Tokens({2, 3, 4, 5});
  model.Loss(inputs, targets).backward();
  torch::NoGradGuard no_grad;
  for (const NamedParameter& parameter : model.parameters()) {
    const torch::Tensor direction = parameter.tensor.grad() / parameter.tensor.grad().norm();
    const double expected = parameter.tensor.grad().norm().item<double>();
    const double h = 1e-2;
    parameter.tensor.add_(direction, h);
    const double up = model.Loss(inputs, targets).item<double>();
    parameter.tensor.add_(direction, -2 * h);
    const double down = model.Loss(inputs, targets).item<double>();
    parameter.tensor.add_(direction, h);
    EXPECT_NEAR((up - down) / (2 * h), expected, 0.05 * expected + 2e-3) << parameter.name;
  }
}

TEST(Gpt, LearnsAShortText) {
  const Gpt model(kSmall, 1);
  InnerOptimizer optimizer(model, {});
  for (int step = 0; step < 80; ++step) TrainStep(model, &optimizer, 8);
  torch::NoGradGuard no_grad;
  const double loss =
      model.Loss(Tokens({1, 2, 3, 4, 5, 6, 7, 8}), Tokens({2, 3, 4, 5, 6, 7, 8, 9})).item<double>();
  EXPECT_LT(loss, 0.5);
}

TEST(Gpt, ASampleBelongsToItsSeedAndStartsWithThePrompt) {
  const Gpt model(kSmall, 1);
  const std::string text = SampleText(model, "abc", 20, 1.0, 7);
  EXPECT_EQ(text, SampleText(model, "abc", 20, 1.0, 7));
  EXPECT_NE(text, SampleText(model, "abc", 20, 1.0, 8));
  EXPECT_EQ(text.substr(0, 3), "abc");
  EXPECT_EQ(text.size(), 23u);
}

TEST(InnerOptimizer, RestoredMomentsContinueBitForBit) {
  const std::string path = ::testing::TempDir() + "/moments.safetensors";
  const Gpt model(kSmall, 1), other(kSmall, 1);
  InnerOptimizer optimizer(model, {});
  for (int step = 0; step < 5; ++step) TrainStep(model, &optimizer, step);
  std::vector<SafetensorsView> views;
  optimizer.AppendMoments(&views);
  ASSERT_TRUE(WriteSafetensors(path, views).ok());

  InnerOptimizer restored(other, {});
  {
    torch::NoGradGuard no_grad;
    for (size_t i = 0; i < model.parameters().size(); ++i) {
      other.parameters()[i].tensor.copy_(model.parameters()[i].tensor);
    }
  }
  const auto file = ReadSafetensors(path);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE(restored.Restore(*file, optimizer.steps()).ok());
  for (int step = 5; step < 8; ++step) {
    TrainStep(model, &optimizer, step);
    TrainStep(other, &restored, step);
  }
  EXPECT_EQ(Flat(model), Flat(other));
  std::filesystem::remove(path);
}

TEST(InnerOptimizer, RefusesTheStateOfAnotherModel) {
  const std::string path = ::testing::TempDir() + "/other.safetensors";
  const Gpt model(kSmall, 1), wider({.layers = 2, .heads = 2, .width = 32, .context = 8}, 1);
  InnerOptimizer optimizer(model, {}), target(wider, {});
  TrainStep(model, &optimizer, 0);
  std::vector<SafetensorsView> views;
  optimizer.AppendMoments(&views);
  ASSERT_TRUE(WriteSafetensors(path, views).ok());
  EXPECT_EQ(target.Restore(*ReadSafetensors(path), 1).code(),
            absl::StatusCode::kFailedPrecondition);
  std::filesystem::remove(path);
}

TEST(InnerOptimizer, DecaysMatricesAndLeavesNormsAlone) {
  const Gpt model(kSmall, 1);
  InnerOptimizer optimizer(model, {.weight_decay = 0.5});
  const double matrix = model.parameters()[0].tensor.norm().item<double>();
  for (const NamedParameter& parameter : model.parameters()) {
    parameter.tensor.mutable_grad() = torch::zeros_like(parameter.tensor);
  }
  optimizer.Step(0.1);
  EXPECT_NEAR(model.parameters()[0].tensor.norm().item<double>(), 0.95 * matrix, 1e-4);
  EXPECT_TRUE(torch::equal(model.parameters()[2].tensor, torch::ones({kSmall.width})));
}

}  // namespace
}  // namespace tideway::trainer
