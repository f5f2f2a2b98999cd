#include "tideway/local_sgd.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bindings/c/boundary.h"
#include "bindings/c/client.h"
#include "bindings/c/reports.h"
#include "bindings/c/runtime.h"
#include "bindings/c/tideway.h"

struct tideway_local_sgd {
  std::shared_ptr<tideway::c::SharedRuntime> runtime;
  std::unique_ptr<tideway::LocalSgd> local_sgd;
  tideway_client client;  // borrows the one of local_sgd
};

namespace tideway::c {
namespace {

absl::Status Check(const tideway_local_sgd* local_sgd) {
  if (local_sgd == nullptr) return NullArgument("local_sgd");
  return local_sgd->runtime->CheckProcess();
}

absl::Status ToOptions(const tideway_client_options* client, const tideway_local_sgd_options* given,
                       LocalSgdOptions& options) {
  ClientOptions of_client;
  absl::Status status = c::ToOptions(client, of_client);
  tideway_local_sgd_options from;
  if (status.ok()) status = CopyIn(given, "tideway_local_sgd_options", from);
  if (!status.ok()) return status;
  if (of_client.observer) {
    return absl::InvalidArgumentError("an observer must not push; set observer to 0");
  }
  options.servers = std::move(of_client.servers);
  options.worker = std::move(of_client.worker);
  options.codec_up = std::move(of_client.codec_up);
  options.codecs_up = std::move(of_client.codecs_up);
  options.codec_down = std::move(of_client.codec_down);
  options.pull_differences = std::move(of_client.pull_differences);
  options.error_feedback = of_client.error_feedback;
  options.residual_decay = of_client.residual_decay;
  options.momentum_correction = of_client.momentum_correction;
  options.factor_masking = of_client.factor_masking;
  options.keep_rejected = of_client.keep_rejected;
  options.bytes_in_flight_max = of_client.bytes_in_flight_max;
  options.reconnect_timeout = of_client.reconnect_timeout;
  options.one_sided_pull = of_client.one_sided_pull;
  if (from.fragment_bytes_max != 0) options.fragment_bytes_max = from.fragment_bytes_max;
  options.inner_steps = from.inner_steps;
  options.overlap_steps = from.overlap_steps;
  options.merge = from.merge_alpha != 0 ? MergeRule::kAlpha : MergeRule::kRebase;
  options.alpha = from.alpha;
  options.join_timeout = DurationOr(from.join_timeout_ms, options.join_timeout);
  options.exchange_timeout = DurationOr(from.exchange_timeout_ms, options.exchange_timeout);
  return absl::OkStatus();
}

// INVALID_ARGUMENT, naming the tensor, where its memory is not what its shape says.
absl::Status CheckMemory(const tideway_parameter& parameter, const TensorSpec& spec) {
  size_t bytes = sizeof(float);
  for (int64_t size : spec.shape) {
    if (size <= 0 || static_cast<size_t>(size) > std::numeric_limits<size_t>::max() / bytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("parameter '", spec.name, "' has a size of ", size, " in its shape"));
    }
    bytes *= static_cast<size_t>(size);
  }
  return CheckFloats(parameter.data, parameter.data_bytes, bytes,
                     absl::StrCat("the memory of parameter '", spec.name, "'"));
}

absl::Status ViewsOf(const tideway_parameter* parameters, size_t count,
                     std::vector<ParameterView>& views) {
  if (parameters == nullptr) return NullArgument("parameters");
  if (count > kTensorsMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("parameter_count is ", count, "; at most ", kTensorsMax));
  }
  for (size_t i = 0; i < count; ++i) {
    const tideway_parameter& from = parameters[i];
    absl::StatusOr<TensorSpec> spec = SpecOf(from.name, from.shape, from.rank, i);
    if (!spec.ok()) return spec.status();
    if (absl::Status status = CheckMemory(from, *spec); !status.ok()) return status;
    views.push_back({spec->name, spec->shape, from.data});
  }
  return absl::OkStatus();
}

absl::Status Join(tideway_runtime* runtime, const tideway_client_options* client,
                  const tideway_local_sgd_options* given, const tideway_parameter* parameters,
                  size_t count, tideway_local_sgd** local_sgd) {
  if (local_sgd == nullptr) return NullArgument("local_sgd");
  *local_sgd = nullptr;
  if (runtime == nullptr) return NullArgument("runtime");
  absl::Status status = runtime->runtime->CheckProcess();
  if (status.ok()) status = InCallback::Refuse("tideway_local_sgd_join");
  LocalSgdOptions options;
  if (status.ok()) status = ToOptions(client, given, options);
  std::vector<ParameterView> views;
  if (status.ok()) status = ViewsOf(parameters, count, views);
  if (!status.ok()) return status;
  auto handle = std::make_unique<tideway_local_sgd>();
  handle->runtime = runtime->runtime;
  auto joined = LocalSgd::Join(&handle->runtime->Started(), std::move(options), std::move(views));
  if (!joined.ok()) return joined.status();
  handle->local_sgd = *std::move(joined);
  handle->client.runtime = handle->runtime;
  handle->client.client = &handle->local_sgd->client();
  *local_sgd = handle.release();
  return absl::OkStatus();
}

absl::Status Step(tideway_local_sgd* local_sgd, double loss, uint64_t tokens,
                  tideway_sync_event* event, tideway_push_report* push, tideway_pull_report* pull) {
  absl::Status status = Check(local_sgd);
  if (status.ok()) status = InCallback::Refuse("tideway_local_sgd_step");
  if (status.ok()) status = CheckOut(event, "tideway_sync_event");
  if (status.ok()) status = CheckOut(push, "tideway_push_report");
  if (status.ok()) status = CheckOut(pull, "tideway_pull_report");
  if (!status.ok()) return status;
  const auto happened = local_sgd->local_sgd->AfterInnerStep({.loss = loss, .tokens = tokens});
  if (!happened.ok()) return happened.status();
  CopyBack(tideway_sync_event{.struct_size = sizeof(tideway_sync_event),
                              .pushed = happened->pushed ? 1 : 0,
                              .merged = happened->merged ? 1 : 0,
                              .waited_seconds = happened->waited_seconds},
           event);
  CopyBack(ToC(happened->push), push);
  CopyBack(ToC(happened->pull), pull);
  return absl::OkStatus();
}

absl::Status GetState(tideway_local_sgd* local_sgd, tideway_local_sgd_state* state) {
  absl::Status status = Check(local_sgd);
  if (status.ok() && state == nullptr) status = NullArgument("state");
  if (status.ok()) status = CheckOut(state, "tideway_local_sgd_state");
  if (!status.ok()) return status;
  const LocalSgd& of = *local_sgd->local_sgd;
  CopyBack(tideway_local_sgd_state{.struct_size = sizeof(tideway_local_sgd_state),
                                   .finished = of.finished() ? 1 : 0,
                                   .inner_steps = of.assignment().inner_steps,
                                   .inner_steps_taken = of.inner_steps(),
                                   .window = of.assignment().window,
                                   .shard = of.shard(),
                                   .shard_step = of.shard_step(),
                                   .schedule_progress = of.schedule_progress()},
           state);
  return absl::OkStatus();
}

absl::Status Leave(tideway_local_sgd* local_sgd) {
  absl::Status status = Check(local_sgd);
  if (status.ok()) status = InCallback::Refuse("tideway_local_sgd_leave");
  if (!status.ok()) return status;
  local_sgd->client.closed = true;
  return local_sgd->local_sgd->Leave();
}

}  // namespace
}  // namespace tideway::c

using tideway::c::Boundary;

extern "C" {

tideway_status tideway_local_sgd_join(tideway_runtime* runtime,
                                      const tideway_client_options* client,
                                      const tideway_local_sgd_options* options,
                                      const tideway_parameter* parameters, size_t parameter_count,
                                      tideway_local_sgd** local_sgd) {
  return Boundary([&] {
    return tideway::c::Join(runtime, client, options, parameters, parameter_count, local_sgd);
  });
}

tideway_status tideway_local_sgd_step(tideway_local_sgd* local_sgd, double loss, uint64_t tokens,
                                      tideway_sync_event* event, tideway_push_report* push,
                                      tideway_pull_report* pull) {
  return Boundary([&] { return tideway::c::Step(local_sgd, loss, tokens, event, push, pull); });
}

tideway_status tideway_local_sgd_get_state(tideway_local_sgd* local_sgd,
                                           tideway_local_sgd_state* state) {
  return Boundary([&] { return tideway::c::GetState(local_sgd, state); });
}

tideway_status tideway_local_sgd_request_stop(tideway_local_sgd* local_sgd) {
  return Boundary([&] {
    absl::Status status = tideway::c::Check(local_sgd);
    if (status.ok()) local_sgd->local_sgd->RequestStop();
    return status;
  });
}

tideway_client* tideway_local_sgd_client(tideway_local_sgd* local_sgd) {
  return local_sgd == nullptr ? nullptr : &local_sgd->client;
}

tideway_status tideway_local_sgd_leave(tideway_local_sgd* local_sgd) {
  return Boundary([&] { return tideway::c::Leave(local_sgd); });
}

tideway_status tideway_local_sgd_free(tideway_local_sgd* local_sgd) {
  return Boundary([&] {
    absl::Status status = tideway::c::InCallback::Refuse("tideway_local_sgd_free");
    return status.ok() ? tideway::c::FreeHandle(local_sgd) : status;
  });
}

}  // extern "C"
