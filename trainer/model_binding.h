// How the model's tensors meet the library: as a layout, as views in place, as one flat vector.
#ifndef TIDEWAY_TRAINER_MODEL_BINDING_H_
#define TIDEWAY_TRAINER_MODEL_BINDING_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "tideway/layout.h"
#include "tideway/local_sgd.h"
#include "trainer/gpt.h"
#include "trainer/settings.h"

namespace tideway::trainer {

absl::StatusOr<Layout> LayoutOf(const Gpt& model, const Settings& settings);

// Views of the parameters' own memory, alive as long as the model.
std::vector<ParameterView> ViewsOf(const Gpt& model);

std::vector<float> FlatParameters(const Gpt& model);
// REQUIRES: as many values as FlatParameters gives.
void SetParameters(const Gpt& model, absl::Span<const float> values);

absl::Status SaveModel(const Gpt& model, const std::string& path,
                       const std::map<std::string, std::string>& metadata);

}  // namespace tideway::trainer

#endif  // TIDEWAY_TRAINER_MODEL_BINDING_H_
