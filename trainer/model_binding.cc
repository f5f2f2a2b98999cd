#include "trainer/model_binding.h"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <utility>

#include "tideway/safetensors.h"

namespace tideway::trainer {

absl::StatusOr<Layout> LayoutOf(const Gpt& model, const Settings& settings) {
  std::vector<TensorSpec> tensors;
  for (const NamedParameter& parameter : model.parameters()) {
    tensors.push_back({parameter.name, parameter.tensor.sizes().vec()});
  }
  LayoutOptions options;
  options.fragment_bytes_max = static_cast<size_t>(settings.fragment_bytes);
  options.servers = static_cast<uint32_t>(settings.servers);
  return Layout::Create(std::move(tensors), options);
}

std::vector<ParameterView> ViewsOf(const Gpt& model) {
  std::vector<ParameterView> views;
  for (const NamedParameter& parameter : model.parameters()) {
    views.push_back(
        {parameter.name, parameter.tensor.sizes().vec(), parameter.tensor.data_ptr<float>()});
  }
  return views;
}

std::vector<float> FlatParameters(const Gpt& model) {
  std::vector<float> flat;
  for (const NamedParameter& parameter : model.parameters()) {
    const float* values = parameter.tensor.data_ptr<float>();
    flat.insert(flat.end(), values, values + parameter.tensor.numel());
  }
  return flat;
}

void SetParameters(const Gpt& model, absl::Span<const float> values) {
  for (const NamedParameter& parameter : model.parameters()) {
    const size_t elements = static_cast<size_t>(parameter.tensor.numel());
    assert(values.size() >= elements);
    std::copy_n(values.begin(), elements, parameter.tensor.data_ptr<float>());
    values.remove_prefix(elements);
  }
  assert(values.empty());
}

absl::Status SaveModel(const Gpt& model, const std::string& path,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<SafetensorsView> views;
  for (const NamedParameter& parameter : model.parameters()) {
    views.push_back({parameter.name, parameter.tensor.sizes().vec(),
                     absl::MakeConstSpan(parameter.tensor.data_ptr<float>(),
                                         static_cast<size_t>(parameter.tensor.numel()))});
  }
  return WriteSafetensors(path, views, metadata);
}

}  // namespace tideway::trainer
