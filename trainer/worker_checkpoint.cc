#include "trainer/worker_checkpoint.h"

#include <cstdint>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "tideway/safetensors.h"

namespace tideway::trainer {
namespace {

constexpr char kSteps[] = "inner_steps";
constexpr char kResidual[] = "residual";

}  // namespace

absl::Status SaveWorker(const std::string& path, const InnerOptimizer& optimizer,
                        const std::vector<float>& residual) {
  std::vector<SafetensorsView> views;
  optimizer.AppendMoments(&views);
  if (!residual.empty()) {
    views.push_back({kResidual, {static_cast<int64_t>(residual.size())}, residual});
  }
  return WriteSafetensors(path, views, {{kSteps, absl::StrCat(optimizer.steps())}});
}

absl::StatusOr<std::vector<float>> LoadWorker(const std::string& path, InnerOptimizer* optimizer) {
  absl::StatusOr<Safetensors> file = ReadSafetensors(path);
  if (!file.ok()) return file.status();
  uint64_t steps = 0;
  const auto found = file->metadata.find(kSteps);
  if (found == file->metadata.end() || !absl::SimpleAtoi(found->second, &steps)) {
    return absl::DataLossError(absl::StrCat(path, " is no worker's checkpoint"));
  }
  if (absl::Status s = optimizer->Restore(*file, steps); !s.ok()) return s;
  const absl::Span<const float> residual = file->Find(kResidual);
  return std::vector<float>(residual.begin(), residual.end());
}

}  // namespace tideway::trainer
