#include "core/optim/spec_values.h"

#include <algorithm>
#include <charconv>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace tideway::optim {

std::string NumberText(double value) {
  char text[40];
  const std::to_chars_result end = std::to_chars(text, text + sizeof(text), value);
  return std::string(text, end.ptr);
}

absl::StatusOr<WindowPushes> WindowPushes::Read(const Spec& spec, SpecReader& reader,
                                                absl::string_view key, absl::string_view fallback) {
  const auto given = spec.params.find(std::string(key));
  const std::string text = given == spec.params.end() ? std::string(fallback) : given->second;
  if (text == "auto") {
    reader.Choice(key, "auto", {"auto"});
    return WindowPushes(0);
  }
  int64_t pushes = 0;
  if (!absl::SimpleAtoi(text, &pushes) || pushes < 1 || pushes > kWindowPushesMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        spec.name, ": ", key, "=", text, " is not a number of pushes; give ", key,
        "=auto (as many as workers are active) or a whole number from 1 to ", kWindowPushesMax));
  }
  reader.Integer(key, pushes, 1, kWindowPushesMax);
  return WindowPushes(static_cast<uint32_t>(pushes));
}

std::string WindowPushes::ToString() const { return is_auto() ? "auto" : absl::StrCat(pushes_); }

uint32_t WindowPushes::Latch(const ApplyContext& context, OuterState& state) const {
  if (state.pushes == 0 || state.window == 0) {
    state.window = is_auto() ? std::max(context.active_workers, 1u) : pushes_;
  }
  return state.window;
}

}  // namespace tideway::optim
