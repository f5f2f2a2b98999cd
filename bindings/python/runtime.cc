#include <pybind11/stl.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "bindings/python/errors.h"
#include "bindings/python/objects.h"

namespace py = pybind11;

namespace tideway::python {

int64_t Milliseconds(const std::optional<double>& seconds, int64_t fallback_ms) {
  if (!seconds.has_value()) return fallback_ms;
  if (std::isnan(*seconds)) Throw(TIDEWAY_INVALID_ARGUMENT, "the timeout is not a number");
  constexpr double kMost = 1e9;  // 30 years
  if (*seconds < 0 || *seconds > kMost) return TIDEWAY_NO_TIMEOUT;
  return std::max<int64_t>(1, static_cast<int64_t>(std::ceil(*seconds * 1000)));
}

std::vector<const char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<const char*> pointers;
  pointers.reserve(texts.size());
  for (const std::string& text : texts) pointers.push_back(text.c_str());
  return pointers;
}

std::string Taken(char* text) {
  std::string copy(text);
  tideway_text_free(text);
  return copy;
}

RuntimeObject::RuntimeObject(uint32_t threads, py::object log, const py::list& codecs,
                             const std::vector<std::string>& codec_files,
                             const py::list& outer_optimizers, const std::string& module_dir)
    : log_(std::move(log)) {
  std::vector<const TidewayCodecModule*> codec_tables;
  for (const py::handle type : codecs) {
    codecs_.push_back(std::make_unique<CodecPlugin>(py::reinterpret_borrow<py::object>(type)));
    codec_tables.push_back(codecs_.back()->table());
  }
  std::vector<const tideway_outer_optimizer*> optimizer_tables;
  for (const py::handle type : outer_optimizers) {
    optimizers_.push_back(
        std::make_unique<OptimizerPlugin>(py::reinterpret_borrow<py::object>(type)));
    optimizer_tables.push_back(optimizers_.back()->table());
  }
  const std::vector<const char*> files = Pointers(codec_files);
  tideway_runtime_options options = {.struct_size = sizeof options,
                                     .threads = threads,
                                     .codecs = codec_tables.data(),
                                     .codec_count = codec_tables.size(),
                                     .codec_files = files.data(),
                                     .codec_file_count = files.size(),
                                     .outer_optimizers = optimizer_tables.data(),
                                     .outer_optimizer_count = optimizer_tables.size()};
  if (!log_.is_none()) {
    options.log = LogToPython;
    options.log_user = log_.ptr();
  }
  if (!module_dir.empty()) options.module_dir = module_dir.c_str();
  Check(tideway_runtime_create(TIDEWAY_ABI_VERSION, &options, &handle_));
}

RuntimeObject::~RuntimeObject() {
  WithoutGil([this] { return tideway_runtime_free(handle_); });  // its threads may be about to log
}

LayoutObject::LayoutObject(std::vector<std::string> names, std::vector<std::vector<int64_t>> shapes,
                           size_t fragment_bytes_max, uint32_t servers)
    : names_(std::move(names)), shapes_(std::move(shapes)) {
  if (names_.size() != shapes_.size()) throw py::value_error("one shape per name, please");
  std::vector<tideway_tensor> tensors;
  for (size_t i = 0; i < names_.size(); ++i) {
    if (names_[i].find('\0') != std::string::npos) {
      Throw(TIDEWAY_INVALID_ARGUMENT,
            "the name of tensor " + std::to_string(i) + " has a zero in it");
    }
    tensors.push_back({names_[i].c_str(), shapes_[i].data(), shapes_[i].size()});
  }
  tensors.push_back({"", nullptr, 0});  // so that there is memory to point to; not counted
  const tideway_layout_options options = {
      .struct_size = sizeof options, .fragment_bytes_max = fragment_bytes_max, .servers = servers};
  Check(tideway_layout_create(tensors.data(), names_.size(), &options, &handle_));
}

Flat::Flat(const py::object& given, const LayoutObject& layout, const std::string& name,
           bool writable)
    : bytes_(layout.elements() * sizeof(float)) {
  const bool is_dict = py::isinstance<py::dict>(given);
  if (!is_dict && !py::isinstance<py::list>(given) && !py::isinstance<py::tuple>(given)) {
    parts_.push_back(Floats::Of(given, name, writable));
    if (parts_[0].bytes() == bytes_) return;
    Throw(TIDEWAY_INVALID_ARGUMENT, name + " has " + std::to_string(parts_[0].elements()) +
                                        " elements and the layout " +
                                        std::to_string(layout.elements()));
  }
  const size_t count = layout.names().size();
  if (py::len(given) != count) {
    Throw(TIDEWAY_INVALID_ARGUMENT, name + " has " + std::to_string(py::len(given)) +
                                        " tensors and the layout " + std::to_string(count));
  }
  for (size_t i = 0; i < count; ++i) {
    const std::string& tensor = layout.names()[i];
    std::string part_name = name;
    part_name.append(" of tensor '").append(tensor).append("'");
    if (is_dict && !given.contains(tensor)) {
      Throw(TIDEWAY_INVALID_ARGUMENT, part_name + " is missing");
    }
    const py::object key = is_dict ? py::object(py::str(tensor)) : py::object(py::int_(i));
    parts_.push_back(Floats::Of(given[key], part_name, writable));
    if (parts_.back().shape() == layout.shapes()[i]) continue;
    part_name.append(" has the shape ").append(ShapeText(parts_.back().shape()));
    part_name.append("; the layout says ").append(ShapeText(layout.shapes()[i]));
    Throw(TIDEWAY_INVALID_ARGUMENT, part_name);
  }
  if (count > 1) staging_.reset(new float[layout.elements()]);
}

void Flat::Gather() const {
  if (staging_ == nullptr) return;
  float* to = staging_.get();
  for (const Floats& part : parts_) to = std::copy_n(part.data(), part.elements(), to);
}

void Flat::Scatter() const {
  if (staging_ == nullptr) return;
  const float* from = staging_.get();
  for (const Floats& part : parts_) {
    std::copy_n(from, part.elements(), part.data());
    from += part.elements();
  }
}

void AddRuntime(py::module_& module) {
  py::class_<RuntimeObject, std::shared_ptr<RuntimeObject>>(module, "Runtime")
      .def(py::init<uint32_t, py::object, py::list, std::vector<std::string>, py::list,
                    std::string>());
  py::class_<LayoutObject, std::shared_ptr<LayoutObject>>(module, "Layout")
      .def(
          py::init<std::vector<std::string>, std::vector<std::vector<int64_t>>, size_t, uint32_t>())
      .def_property_readonly("names", &LayoutObject::names)
      .def_property_readonly("shapes", &LayoutObject::shapes)
      .def_property_readonly("elements", &LayoutObject::elements)
      .def_property_readonly(
          "fragments",
          [](const LayoutObject& self) { return tideway_layout_fragments(self.handle()); })
      .def_property_readonly("fingerprint", [](const LayoutObject& self) {
        return tideway_layout_fingerprint(self.handle());
      });
}

}  // namespace tideway::python
