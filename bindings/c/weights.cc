#include "tideway/weights.h"

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bindings/c/boundary.h"
#include "bindings/c/reports.h"
#include "bindings/c/runtime.h"
#include "bindings/c/tideway.h"
#include "tideway/blocking.h"
#include "tideway/publisher.h"
#include "tideway/subscriber.h"

struct tideway_publisher {
  std::shared_ptr<tideway::c::SharedRuntime> runtime;
  std::unique_ptr<tideway::Publisher> publisher;
  std::vector<std::string> addresses;
};

struct tideway_subscriber {
  std::shared_ptr<tideway::c::SharedRuntime> runtime;
  std::unique_ptr<tideway::Subscriber> subscriber;
  std::atomic<bool> closed{false};
};

struct tideway_weights {
  tideway::WeightsPtr weights;
};

namespace tideway::c {
namespace {

constexpr absl::Duration kWaitTimeout = absl::Seconds(60);

template <typename Handle>
absl::Status Check(const Handle* handle, absl::string_view name) {
  return handle == nullptr ? NullArgument(name) : handle->runtime->CheckProcess();
}

// A C program may store any number in an enumeration, and C++ may only load those of its list.
WeightType TypeOf(const tideway_weight& weight) {
  static_assert(sizeof(weight.type) == sizeof(uint32_t));
  uint32_t type;
  std::memcpy(&type, &weight.type, sizeof(type));
  return type <= UINT8_MAX ? static_cast<WeightType>(type) : static_cast<WeightType>(UINT8_MAX);
}

absl::StatusOr<WeightSpec> WeightSpecOf(const tideway_weight& weight, size_t index) {
  absl::StatusOr<TensorSpec> tensor = SpecOf(weight.name, weight.shape, weight.rank, index);
  if (!tensor.ok()) return tensor.status();
  return WeightSpec{std::move(tensor->name), TypeOf(weight), std::move(tensor->shape)};
}

absl::StatusOr<WeightLayout> ModelOf(const tideway_weight* weights, size_t count) {
  if (weights == nullptr) return NullArgument("model");
  if (count > kTensorsMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("weight_count is ", count, "; at most ", kTensorsMax));
  }
  std::vector<WeightSpec> specs;
  for (size_t i = 0; i < count; ++i) {
    absl::StatusOr<WeightSpec> spec = WeightSpecOf(weights[i], i);
    if (!spec.ok()) return spec.status();
    specs.push_back(*std::move(spec));
  }
  return WeightLayout::Create(std::move(specs));
}

absl::Status ToOptions(const tideway_publisher_options* given, PublisherOptions& options) {
  tideway_publisher_options from;
  absl::Status status = CopyIn(given, "tideway_publisher_options", from);
  if (status.ok() && from.listen_count != 0) {
    options.listen.clear();
    status = CopyTexts(from.listen, from.listen_count, "listen", options.listen);
  }
  if (!status.ok()) return status;
  options.codec = TextOr(from.codec, options.codec);
  if (from.chunk_bytes != 0) options.chunk_bytes = from.chunk_bytes;
  if (from.links_max != 0) options.links_max = from.links_max;
  options.history_bytes_max = from.history_bytes_max;
  if (from.anchors_max != 0) options.anchors_max = from.anchors_max;
  if (from.subscribers_max != 0) options.subscribers_max = from.subscribers_max;
  options.encode_threads = static_cast<int>(from.encode_threads);
  options.silence_max = DurationOr(from.silence_max_ms, options.silence_max);
  return absl::OkStatus();
}

absl::Status ToOptions(const tideway_subscriber_options* given, SubscriberOptions& options) {
  tideway_subscriber_options from;
  absl::Status status = CopyIn(given, "tideway_subscriber_options", from);
  if (!status.ok()) return status;
  if (from.publisher == nullptr) return NullArgument("tideway_subscriber_options.publisher");
  options.publisher = from.publisher;
  options.name = TextOr(from.name, "");
  if (from.copies_max != 0) options.copies_max = from.copies_max;
  options.ping_interval = DurationOr(from.ping_interval_ms, options.ping_interval);
  options.silence_max = DurationOr(from.silence_max_ms, options.silence_max);
  return absl::OkStatus();
}

// Starts a publisher or subscriber: `start(runtime, options, layout)` gives the C++ one.
template <typename Options, typename Handle, typename Given, typename Start>
absl::Status Make(tideway_runtime* runtime, const Given* given, const tideway_weight* model,
                  size_t count, std::unique_ptr<Handle>& handle, Start start) {
  if (runtime == nullptr) return NullArgument("runtime");
  absl::Status status = runtime->runtime->CheckProcess();
  if (status.ok()) status = InCallback::Refuse("starting it");
  Options options;
  if (status.ok()) status = ToOptions(given, options);
  if (!status.ok()) return status;
  const absl::StatusOr<WeightLayout> layout = ModelOf(model, count);
  if (!layout.ok()) return layout.status();
  handle = std::make_unique<Handle>();
  handle->runtime = runtime->runtime;
  return start(&handle->runtime->Started(), std::move(options), *layout);
}

absl::Status StartPublisher(tideway_runtime* runtime, const tideway_publisher_options* given,
                            const tideway_weight* model, size_t count,
                            tideway_publisher** publisher) {
  if (publisher == nullptr) return NullArgument("publisher");
  *publisher = nullptr;
  std::unique_ptr<tideway_publisher> handle;
  absl::Status status = Make<PublisherOptions>(
      runtime, given, model, count, handle,
      [&handle](Runtime* started, PublisherOptions options, const WeightLayout& layout) {
        auto made = Publisher::Start(started, std::move(options), layout);
        if (!made.ok()) return made.status();
        handle->publisher = *std::move(made);
        handle->addresses = handle->publisher->addresses();
        return absl::OkStatus();
      });
  if (status.ok()) *publisher = handle.release();
  return status;
}

absl::Status Publish(tideway_publisher* publisher, uint64_t version, const tideway_weight* weights,
                     size_t count, tideway_publish_report* report) {
  absl::Status status = Check(publisher, "publisher");
  if (status.ok()) status = InCallback::Refuse("tideway_publisher_publish");
  if (status.ok()) status = CheckOut(report, "tideway_publish_report");
  if (!status.ok()) return status;
  const absl::StatusOr<WeightLayout> layout = ModelOf(weights, count);
  if (!layout.ok()) return layout.status();
  std::vector<WeightView> views;
  for (size_t i = 0; i < count; ++i) {
    const WeightSpec& spec = layout->tensors()[i];
    if (weights[i].data_bytes != layout->bytes_of(i)) {
      return absl::InvalidArgumentError(absl::StrCat("the memory of ", spec.ToString(), " has ",
                                                     weights[i].data_bytes, " bytes and needs ",
                                                     layout->bytes_of(i)));
    }
    views.push_back({spec.name, spec.type, spec.shape, weights[i].data});
  }
  const absl::StatusOr<PublishReport> published = publisher->publisher->Publish(version, views);
  if (!published.ok()) return published.status();
  CopyBack(tideway_publish_report{.struct_size = sizeof(tideway_publish_report),
                                  .epoch = published->id.epoch,
                                  .version = published->id.version,
                                  .bytes = published->bytes,
                                  .bytes_model = published->bytes_model,
                                  .seconds = published->seconds},
           report);
  return absl::OkStatus();
}

absl::Status StartSubscriber(tideway_runtime* runtime, const tideway_subscriber_options* given,
                             const tideway_weight* model, size_t count,
                             tideway_subscriber** subscriber) {
  if (subscriber == nullptr) return NullArgument("subscriber");
  *subscriber = nullptr;
  std::unique_ptr<tideway_subscriber> handle;
  absl::Status status = Make<SubscriberOptions>(
      runtime, given, model, count, handle,
      [&handle](Runtime* started, SubscriberOptions options, const WeightLayout& layout) {
        auto made = Subscriber::Start(started, std::move(options), layout);
        if (!made.ok()) return made.status();
        handle->subscriber = *std::move(made);
        return absl::OkStatus();
      });
  if (status.ok()) *subscriber = handle.release();
  return status;
}

absl::Status Wait(tideway_subscriber* subscriber, const tideway_weight_version* than,
                  int64_t timeout_ms, tideway_weights** weights) {
  absl::Status status = Check(subscriber, "subscriber");
  if (status.ok()) status = InCallback::Refuse("tideway_subscriber_wait");
  if (status.ok() && weights == nullptr) status = NullArgument("weights");
  absl::Time deadline;
  if (status.ok()) {
    *weights = nullptr;
    status = DeadlineOf(timeout_ms, kWaitTimeout, subscriber->runtime->Now(), deadline);
  }
  if (status.ok() && subscriber->closed) {
    status = absl::FailedPreconditionError("the subscriber is closed; start a new one");
  }
  if (!status.ok()) return status;
  const WeightVersionId old =
      than == nullptr ? WeightVersionId{} : WeightVersionId{than->epoch, than->version};
  auto newer = AwaitResult<WeightsPtr>(
      [&](auto done) { subscriber->subscriber->WhenNewer(old, deadline, std::move(done)); });
  if (!newer.ok()) return newer.status();
  *weights = new tideway_weights{*std::move(newer)};
  return absl::OkStatus();
}

absl::Status Current(tideway_subscriber* subscriber, tideway_weights** weights) {
  absl::Status status = Check(subscriber, "subscriber");
  if (status.ok() && weights == nullptr) status = NullArgument("weights");
  if (!status.ok()) return status;
  *weights = nullptr;
  WeightsPtr current = subscriber->subscriber->current();
  if (current != nullptr) *weights = new tideway_weights{std::move(current)};
  return absl::OkStatus();
}

// `end` is the C++ publisher or subscriber in the handle.
template <typename Handle, typename End>
absl::Status Stats(Handle* handle, absl::string_view name, std::unique_ptr<End> Handle::*end,
                   char** json) {
  absl::Status status = Check(handle, name);
  if (status.ok() && json == nullptr) status = NullArgument("json");
  return status.ok() ? CopyOut(JsonOf((handle->*end)->stats()), json) : status;
}

template <typename Handle>
absl::Status FreeOutsideOfCallbacks(Handle* handle) {
  absl::Status status = InCallback::Refuse("freeing it");
  return status.ok() ? FreeHandle(handle) : status;
}

}  // namespace
}  // namespace tideway::c

using tideway::c::Boundary;

extern "C" {

tideway_status tideway_publisher_start(tideway_runtime* runtime,
                                       const tideway_publisher_options* options,
                                       const tideway_weight* model, size_t weight_count,
                                       tideway_publisher** publisher) {
  return Boundary(
      [&] { return tideway::c::StartPublisher(runtime, options, model, weight_count, publisher); });
}

const char* tideway_publisher_address(const tideway_publisher* publisher, size_t index) {
  if (publisher == nullptr || index >= publisher->addresses.size()) return nullptr;
  return publisher->addresses[index].c_str();
}

tideway_status tideway_publisher_publish(tideway_publisher* publisher, uint64_t version,
                                         const tideway_weight* weights, size_t weight_count,
                                         tideway_publish_report* report) {
  return Boundary(
      [&] { return tideway::c::Publish(publisher, version, weights, weight_count, report); });
}

tideway_status tideway_publisher_stats(tideway_publisher* publisher, char** json) {
  return Boundary([&] {
    return tideway::c::Stats(publisher, "publisher", &tideway_publisher::publisher, json);
  });
}

tideway_status tideway_publisher_stop(tideway_publisher* publisher) {
  return Boundary([&] {
    absl::Status status = tideway::c::Check(publisher, "publisher");
    if (status.ok()) status = tideway::c::InCallback::Refuse("tideway_publisher_stop");
    if (status.ok()) publisher->publisher->Stop();
    return status;
  });
}

tideway_status tideway_publisher_free(tideway_publisher* publisher) {
  return Boundary([&] { return tideway::c::FreeOutsideOfCallbacks(publisher); });
}

tideway_status tideway_subscriber_start(tideway_runtime* runtime,
                                        const tideway_subscriber_options* options,
                                        const tideway_weight* model, size_t weight_count,
                                        tideway_subscriber** subscriber) {
  return Boundary([&] {
    return tideway::c::StartSubscriber(runtime, options, model, weight_count, subscriber);
  });
}

tideway_status tideway_subscriber_current(tideway_subscriber* subscriber,
                                          tideway_weights** weights) {
  return Boundary([&] { return tideway::c::Current(subscriber, weights); });
}

tideway_status tideway_subscriber_wait(tideway_subscriber* subscriber,
                                       const tideway_weight_version* than, int64_t timeout_ms,
                                       tideway_weights** weights) {
  return Boundary([&] { return tideway::c::Wait(subscriber, than, timeout_ms, weights); });
}

tideway_status tideway_subscriber_stats(tideway_subscriber* subscriber, char** json) {
  return Boundary([&] {
    return tideway::c::Stats(subscriber, "subscriber", &tideway_subscriber::subscriber, json);
  });
}

tideway_status tideway_subscriber_close(tideway_subscriber* subscriber) {
  return Boundary([&] {
    absl::Status status = tideway::c::Check(subscriber, "subscriber");
    if (!status.ok()) return status;
    subscriber->closed = true;
    subscriber->subscriber->Close();
    return status;
  });
}

tideway_status tideway_subscriber_free(tideway_subscriber* subscriber) {
  return Boundary([&] { return tideway::c::FreeOutsideOfCallbacks(subscriber); });
}

tideway_weight_version tideway_weights_version(const tideway_weights* weights) {
  if (weights == nullptr) return {0, 0};
  const tideway::WeightVersionId id = weights->weights->id();
  return {id.epoch, id.version};
}

const void* tideway_weights_tensor(const tideway_weights* weights, size_t index, size_t* bytes) {
  if (bytes != nullptr) *bytes = 0;
  if (weights == nullptr || index >= weights->weights->layout().tensors().size()) return nullptr;
  const absl::Span<const std::byte> tensor = weights->weights->tensor(index);
  if (bytes != nullptr) *bytes = tensor.size();
  return tensor.data();
}

void tideway_weights_free(tideway_weights* weights) { delete weights; }

}  // extern "C"
