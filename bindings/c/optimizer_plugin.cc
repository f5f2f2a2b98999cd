#include "bindings/c/optimizer_plugin.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"
#include "bindings/c/boundary.h"

namespace tideway::c {
namespace {

constexpr size_t kSlotsMax = 16;

// Where a plug-in writes why it refuses.
class PluginError {
 public:
  char* room() { return text_; }
  std::string Text(absl::string_view name) {
    text_[sizeof(text_) - 1] = '\0';
    return absl::StrCat(name, ": ", text_[0] != '\0' ? text_ : "the plug-in gives no reason");
  }

 private:
  char text_[kTidewayCodecErrorBytes] = {};
};

class PluginOptimizer final : public OuterOptimizer {
 public:
  PluginOptimizer(const tideway_outer_optimizer& plugin, const Spec& spec, void* optimizer)
      : plugin_(plugin), optimizer_(optimizer), spec_(spec.ToString()) {
    const InCallback entered;
    slot_count_ = plugin_.slot_count(optimizer_);
  }
  ~PluginOptimizer() override {
    const InCallback entered;
    plugin_.destroy(optimizer_);
  }
  PluginOptimizer(const PluginOptimizer&) = delete;
  PluginOptimizer& operator=(const PluginOptimizer&) = delete;

  const std::string& spec() const override { return spec_; }
  size_t slot_count() const override { return slot_count_; }

  absl::StatusOr<ApplyResult> Apply(absl::Span<float> theta, absl::Span<const float> delta,
                                    const ApplyContext& context, OuterState& state) const override {
    absl::InlinedVector<float*, kSlotsMax> slots;
    for (std::vector<float>& slot : state.slots) slots.push_back(slot.data());
    tideway_optimizer_state told{slots.data(), state.pushes, state.window};
    const tideway_apply_context asked{context.staleness, context.active_workers, context.weight};
    PluginError error;
    const InCallback entered;
    const int result = plugin_.apply(optimizer_, theta.data(), delta.data(), theta.size(), &asked,
                                     &told, error.room());
    if (result != TIDEWAY_APPLIED && result != TIDEWAY_BUFFERED) {
      return absl::InternalError(error.Text(plugin_.name));
    }
    state.pushes = told.pushes;
    state.window = told.window;
    return result == TIDEWAY_APPLIED ? ApplyResult::kApplied : ApplyResult::kBuffered;
  }

 private:
  const tideway_outer_optimizer plugin_;
  void* const optimizer_;
  const std::string spec_;
  size_t slot_count_ = 0;
};

absl::StatusOr<std::unique_ptr<OuterOptimizer>> NewPluginOptimizer(
    const tideway_outer_optimizer& plugin, const Spec& spec) {
  PluginError error;
  void* optimizer = nullptr;
  {
    const InCallback entered;
    if (plugin.create(plugin.user, spec.ToString().c_str(), &optimizer, error.room()) !=
        kTidewayCodecOk) {
      return absl::InvalidArgumentError(error.Text(plugin.name));
    }
  }
  auto made = std::make_unique<PluginOptimizer>(plugin, spec, optimizer);
  if (made->slot_count() <= kSlotsMax) return made;
  return absl::InvalidArgumentError(absl::StrCat(
      plugin.name, ": the plug-in asks for ", made->slot_count(), " slots; at most ", kSlotsMax));
}

}  // namespace

absl::Status AddOptimizerPlugin(const tideway_outer_optimizer& given,
                                OuterOptimizerRegistry& registry) {
  tideway_outer_optimizer plugin;
  absl::Status status = CopyIn(&given, "tideway_outer_optimizer", plugin);
  if (!status.ok()) return status;
  const absl::StatusOr<Spec> name = Spec::Parse(plugin.name == nullptr ? "" : plugin.name);
  if (!name.ok() || name->name != plugin.name) {
    return absl::InvalidArgumentError(
        "an outer optimizer has no name, or one with other characters than letters, digits, - and "
        "_");
  }
  if (plugin.create == nullptr || plugin.destroy == nullptr || plugin.slot_count == nullptr ||
      plugin.apply == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("the outer optimizer ", plugin.name,
                                                   " leaves a function out; it needs all four"));
  }
  return registry.Add(
      {plugin.name, [plugin](const Spec& spec) { return NewPluginOptimizer(plugin, spec); }});
}

}  // namespace tideway::c
