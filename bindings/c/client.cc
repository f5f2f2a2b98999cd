#include "bindings/c/client.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "bindings/c/boundary.h"
#include "bindings/c/reports.h"
#include "tideway/blocking.h"

namespace tideway::c {
namespace {

constexpr absl::Duration kConnectTimeout = absl::Seconds(30);
constexpr absl::Duration kTransferTimeout = absl::Seconds(60);
constexpr absl::Duration kLeaveTimeout = absl::Seconds(5);
constexpr absl::Duration kStatsTimeout = absl::Seconds(10);

absl::Status Check(const tideway_client* client) {
  if (client == nullptr) return NullArgument("client");
  return client->runtime->CheckProcess();
}

absl::Status CheckOpen(const tideway_client* client) {
  absl::Status status = Check(client);
  if (!status.ok()) return status;
  if (!client->closed) return absl::OkStatus();
  return absl::FailedPreconditionError("the client is closed; connect a new one");
}

absl::Status Connect(tideway_runtime* runtime, const tideway_client_options* given,
                     const tideway_layout* layout, int64_t timeout_ms, tideway_client** client) {
  if (client == nullptr) return NullArgument("client");
  *client = nullptr;
  if (runtime == nullptr) return NullArgument("runtime");
  if (layout == nullptr) return NullArgument("layout");
  absl::Status status = runtime->runtime->CheckProcess();
  if (status.ok()) status = InCallback::Refuse("tideway_client_connect");
  ClientOptions options;
  if (status.ok()) status = ToOptions(given, options);
  if (!status.ok()) return status;
  auto handle = std::make_unique<tideway_client>();
  handle->runtime = runtime->runtime;
  absl::Time deadline;
  status = DeadlineOf(timeout_ms, kConnectTimeout, handle->runtime->Now(), deadline);
  if (!status.ok()) return status;
  auto made = Client::Create(&handle->runtime->Started(), std::move(options), layout->layout);
  if (!made.ok()) return made.status();
  handle->owned = *std::move(made);
  handle->client = handle->owned.get();
  status = Await([&](auto done) { handle->client->Join(deadline, std::move(done)); });
  if (status.ok()) *client = handle.release();
  return status;
}

// What a push, a pull or both were asked to do, checked.
struct Transfer {
  tideway_client* client = nullptr;
  absl::Span<const float> delta;
  absl::Span<float> destination;
  PushOptions push;
  PullOptions pull;
  absl::Time deadline;
  tideway_done done = nullptr;
  void* user = nullptr;
};

absl::Status SetPush(const float* delta, size_t bytes, const tideway_push_options* given,
                     Transfer& transfer) {
  const size_t elements = transfer.client->client->layout().elements();
  absl::Status status = CheckFloats(delta, bytes, elements * sizeof(float), "delta");
  tideway_push_options options;
  if (status.ok()) status = CopyIn(given, "tideway_push_options", options);
  if (!status.ok()) return status;
  transfer.delta = {delta, elements};
  transfer.push.inner_steps = options.inner_steps;
  return absl::OkStatus();
}

absl::Status SetPull(float* destination, size_t bytes, const tideway_pull_options* given,
                     Transfer& transfer) {
  const size_t elements = transfer.client->client->layout().elements();
  absl::Status status = CheckFloats(destination, bytes, elements * sizeof(float), "destination");
  tideway_pull_options options;
  if (status.ok()) status = CopyIn(given, "tideway_pull_options", options);
  if (!status.ok()) return status;
  transfer.destination = {destination, elements};
  transfer.pull.window = options.window;
  return absl::OkStatus();
}

absl::Status Prepare(tideway_client* client, int64_t timeout_ms, Transfer& transfer) {
  absl::Status status = CheckOpen(client);
  if (!status.ok()) return status;
  transfer.client = client;
  return DeadlineOf(timeout_ms, kTransferTimeout, client->runtime->Now(), transfer.deadline);
}

absl::Status PrepareStart(tideway_client* client, int64_t timeout_ms, tideway_operation** operation,
                          Transfer& transfer) {
  if (operation == nullptr) return NullArgument("operation");
  *operation = nullptr;
  return Prepare(client, timeout_ms, transfer);
}

void Begin(const Transfer& transfer, tideway_operation* operation) {
  Client& client = *transfer.client->client;
  if (transfer.destination.empty()) {
    client.Push(transfer.delta, transfer.push, transfer.deadline,
                [operation](absl::StatusOr<PushReport> report) {
                  if (!report.ok()) return operation->Finish(report.status());
                  operation->Finish(Client::PushPullReport{*report, {}});
                });
  } else if (transfer.delta.empty()) {
    client.Pull(transfer.destination, transfer.pull, transfer.deadline,
                [operation](absl::StatusOr<PullReport> report) {
                  if (!report.ok()) return operation->Finish(report.status());
                  operation->Finish(Client::PushPullReport{{}, *report});
                });
  } else {
    client.PushPull(transfer.delta, transfer.push, transfer.destination, transfer.pull,
                    transfer.deadline, [operation](absl::StatusOr<Client::PushPullReport> report) {
                      operation->Finish(std::move(report));
                    });
  }
}

absl::Status Start(const Transfer& transfer, tideway_operation** operation) {
  tideway_client* const client = transfer.client;
  if (absl::Status status = client->queue->CountOperation(); !status.ok()) return status;
  *operation = new tideway_operation(client->runtime, client->queue, transfer.done, transfer.user);
  Begin(transfer, *operation);
  return absl::OkStatus();
}

void NoCallback(void* /*user*/, tideway_operation* /*operation*/) {}

// Starts `transfer` and waits for its end.
absl::Status Run(Transfer& transfer, tideway_push_report* push, tideway_pull_report* pull) {
  absl::Status status = InCallback::Refuse("a call that blocks");
  if (status.ok()) status = CheckOut(push, "tideway_push_report");
  if (status.ok()) status = CheckOut(pull, "tideway_pull_report");
  if (!status.ok()) return status;
  transfer.done = NoCallback;  // so that it does not go through the queue
  tideway_operation* operation = nullptr;
  status = Start(transfer, &operation);
  if (!status.ok()) return status;
  status = operation->WaitUntil(absl::InfiniteFuture());
  if (status.ok()) {
    const auto& outcome = operation->outcome();
    status = outcome.status();
    if (outcome.ok()) {
      CopyBack(ToC(outcome->push), push);
      CopyBack(ToC(outcome->pull), pull);
    }
  }
  operation->queue->ForgetOperation(operation);
  operation->Release();
  return status;
}

absl::Status CheckOwned(const tideway_client* client, absl::string_view call) {
  absl::Status status = Check(client);
  if (!status.ok() || client->owned != nullptr) return status;
  return absl::FailedPreconditionError(absl::StrCat(
      "this client is a tideway_local_sgd's; leave and free that instead of calling ", call));
}

absl::Status Close(tideway_client* client) {
  absl::Status status = CheckOwned(client, "tideway_client_close");
  if (!status.ok()) return status;
  client->closed = true;
  client->client->Close();
  return absl::OkStatus();
}

absl::Status Leave(tideway_client* client, int64_t timeout_ms) {
  absl::Status status = CheckOwned(client, "tideway_client_leave");
  if (status.ok()) status = CheckOpen(client);
  if (status.ok()) status = InCallback::Refuse("tideway_client_leave");
  absl::Time deadline;
  if (status.ok()) {
    status = DeadlineOf(timeout_ms, kLeaveTimeout, client->runtime->Now(), deadline);
  }
  if (!status.ok()) return status;
  client->closed = true;
  status = Await([&](auto done) { client->client->Leave(deadline, std::move(done)); });
  client->client->Close();
  return status;
}

absl::Status Free(tideway_client* client) {
  if (client == nullptr || !client->runtime->CheckProcess().ok()) return absl::OkStatus();
  absl::Status status = CheckOwned(client, "tideway_client_free");
  if (status.ok()) status = InCallback::Refuse("tideway_client_free");
  if (!status.ok()) return status;
  delete client;
  return absl::OkStatus();
}

absl::Status StatsOf(tideway_client* client, uint32_t index, int64_t timeout_ms, char** json) {
  absl::Status status = CheckOpen(client);
  if (status.ok()) status = InCallback::Refuse("tideway_client_server_stats");
  if (status.ok() && json == nullptr) status = NullArgument("json");
  absl::Time deadline;
  if (status.ok()) {
    status = DeadlineOf(timeout_ms, kStatsTimeout, client->runtime->Now(), deadline);
  }
  if (!status.ok()) return status;
  if (index >= client->client->layout().servers()) {
    return absl::InvalidArgumentError(absl::StrCat("index is ", index, "; there are ",
                                                   client->client->layout().servers(), " servers"));
  }
  auto stats = AwaitResult<ServerStats>(
      [&](auto done) { client->client->Stats(index, deadline, std::move(done)); });
  return stats.ok() ? CopyOut(JsonOf(*stats), json) : stats.status();
}

// `make` makes the text of an open or closed client.
template <typename Make>
absl::Status TextOf(tideway_client* client, char** text, Make make) {
  absl::Status status = Check(client);
  if (status.ok() && text == nullptr) status = NullArgument("the text's pointer");
  return status.ok() ? CopyOut(make(*client->client), text) : status;
}

}  // namespace

absl::Status ToOptions(const tideway_client_options* given, ClientOptions& options) {
  tideway_client_options from;
  absl::Status status = CopyIn(given, "tideway_client_options", from);
  if (status.ok()) status = CopyTexts(from.servers, from.server_count, "servers", options.servers);
  if (status.ok() && options.servers.empty()) {
    status = absl::InvalidArgumentError("no server is given; set tideway_client_options.servers");
  }
  if (status.ok() && from.codec_up_count != 0) {
    options.codecs_up.clear();
    status = CopyTexts(from.codecs_up, from.codec_up_count, "codecs_up", options.codecs_up);
  }
  if (!status.ok()) return status;
  options.worker = TextOr(from.worker, "");
  options.observer = from.observer != 0;
  options.codec_up = TextOr(from.codec_up, options.codec_up);
  options.codec_down = TextOr(from.codec_down, options.codec_down);
  options.pull_differences = TextOr(from.pull_differences, "");
  options.error_feedback = from.no_error_feedback == 0;
  if (from.residual_decay != 0) options.residual_decay = from.residual_decay;
  options.momentum_correction = from.momentum_correction;
  options.factor_masking = from.no_factor_masking == 0;
  options.keep_rejected = from.drop_rejected == 0;
  if (from.bytes_in_flight_max != 0) options.bytes_in_flight_max = from.bytes_in_flight_max;
  options.reconnect_timeout = DurationOr(from.reconnect_timeout_ms, options.reconnect_timeout);
  options.one_sided_pull = from.no_one_sided_pull == 0;
  return absl::OkStatus();
}

}  // namespace tideway::c

using tideway::c::Boundary;

extern "C" {

tideway_status tideway_client_connect(tideway_runtime* runtime,
                                      const tideway_client_options* options,
                                      const tideway_layout* layout, int64_t timeout_ms,
                                      tideway_client** client) {
  return Boundary(
      [&] { return tideway::c::Connect(runtime, options, layout, timeout_ms, client); });
}

tideway_status tideway_client_push(tideway_client* client, const float* delta, size_t delta_bytes,
                                   const tideway_push_options* options, int64_t timeout_ms,
                                   tideway_push_report* report) {
  return Boundary([&] {
    tideway::c::Transfer transfer;
    absl::Status status = tideway::c::Prepare(client, timeout_ms, transfer);
    if (status.ok()) status = tideway::c::SetPush(delta, delta_bytes, options, transfer);
    return status.ok() ? tideway::c::Run(transfer, report, nullptr) : status;
  });
}

tideway_status tideway_client_pull(tideway_client* client, float* destination,
                                   size_t destination_bytes, const tideway_pull_options* options,
                                   int64_t timeout_ms, tideway_pull_report* report) {
  return Boundary([&] {
    tideway::c::Transfer transfer;
    absl::Status status = tideway::c::Prepare(client, timeout_ms, transfer);
    if (status.ok()) {
      status = tideway::c::SetPull(destination, destination_bytes, options, transfer);
    }
    return status.ok() ? tideway::c::Run(transfer, nullptr, report) : status;
  });
}

tideway_status tideway_client_push_pull(tideway_client* client, const float* delta,
                                        size_t delta_bytes, const tideway_push_options* push,
                                        float* destination, size_t destination_bytes,
                                        const tideway_pull_options* pull, int64_t timeout_ms,
                                        tideway_push_report* push_report,
                                        tideway_pull_report* pull_report) {
  return Boundary([&] {
    tideway::c::Transfer transfer;
    absl::Status status = tideway::c::Prepare(client, timeout_ms, transfer);
    if (status.ok()) status = tideway::c::SetPush(delta, delta_bytes, push, transfer);
    if (status.ok()) status = tideway::c::SetPull(destination, destination_bytes, pull, transfer);
    return status.ok() ? tideway::c::Run(transfer, push_report, pull_report) : status;
  });
}

tideway_status tideway_client_push_start(tideway_client* client, const float* delta,
                                         size_t delta_bytes, const tideway_push_options* options,
                                         int64_t timeout_ms, tideway_done done, void* user,
                                         tideway_operation** operation) {
  return Boundary([&] {
    tideway::c::Transfer transfer{.done = done, .user = user};
    absl::Status status = tideway::c::PrepareStart(client, timeout_ms, operation, transfer);
    if (status.ok()) status = tideway::c::SetPush(delta, delta_bytes, options, transfer);
    return status.ok() ? tideway::c::Start(transfer, operation) : status;
  });
}

tideway_status tideway_client_pull_start(tideway_client* client, float* destination,
                                         size_t destination_bytes,
                                         const tideway_pull_options* options, int64_t timeout_ms,
                                         tideway_done done, void* user,
                                         tideway_operation** operation) {
  return Boundary([&] {
    tideway::c::Transfer transfer{.done = done, .user = user};
    absl::Status status = tideway::c::PrepareStart(client, timeout_ms, operation, transfer);
    if (status.ok()) {
      status = tideway::c::SetPull(destination, destination_bytes, options, transfer);
    }
    return status.ok() ? tideway::c::Start(transfer, operation) : status;
  });
}

tideway_status tideway_client_push_pull_start(tideway_client* client, const float* delta,
                                              size_t delta_bytes, const tideway_push_options* push,
                                              float* destination, size_t destination_bytes,
                                              const tideway_pull_options* pull, int64_t timeout_ms,
                                              tideway_done done, void* user,
                                              tideway_operation** operation) {
  return Boundary([&] {
    tideway::c::Transfer transfer{.done = done, .user = user};
    absl::Status status = tideway::c::PrepareStart(client, timeout_ms, operation, transfer);
    if (status.ok()) status = tideway::c::SetPush(delta, delta_bytes, push, transfer);
    if (status.ok()) status = tideway::c::SetPull(destination, destination_bytes, pull, transfer);
    return status.ok() ? tideway::c::Start(transfer, operation) : status;
  });
}

tideway_status tideway_client_fd(tideway_client* client, int* fd) {
  return Boundary([&] {
    absl::Status status = tideway::c::Check(client);
    if (status.ok() && fd == nullptr) status = tideway::c::NullArgument("fd");
    return status.ok() ? client->queue->FileDescriptor(fd) : status;
  });
}

tideway_status tideway_client_next(tideway_client* client, tideway_operation** operation) {
  return Boundary([&] {
    absl::Status status = tideway::c::Check(client);
    if (status.ok() && operation == nullptr) status = tideway::c::NullArgument("operation");
    if (status.ok()) *operation = client->queue->Next();
    return status;
  });
}

tideway_status tideway_client_close(tideway_client* client) {
  return Boundary([&] { return tideway::c::Close(client); });
}

tideway_status tideway_client_leave(tideway_client* client, int64_t timeout_ms) {
  return Boundary([&] { return tideway::c::Leave(client, timeout_ms); });
}

tideway_status tideway_client_free(tideway_client* client) {
  return Boundary([&] { return tideway::c::Free(client); });
}

tideway_status tideway_client_server_stats(tideway_client* client, uint32_t index,
                                           int64_t timeout_ms, char** json) {
  return Boundary([&] { return tideway::c::StatsOf(client, index, timeout_ms, json); });
}

tideway_status tideway_client_transport_report(tideway_client* client, char** json) {
  return Boundary([&] {
    return tideway::c::TextOf(client, json, [](const tideway::Client& of) {
      return tideway::c::JsonOf(of.transport_reports());
    });
  });
}

tideway_status tideway_client_transport_text(tideway_client* client, char** text) {
  return Boundary([&] {
    return tideway::c::TextOf(client, text, [](const tideway::Client& of) {
      std::string all;
      for (const tideway::TransportReport& report : of.transport_reports()) {
        absl::StrAppend(&all, report.ToString());
      }
      return all;
    });
  });
}

tideway_status tideway_client_residual_stats(tideway_client* client, char** json) {
  return Boundary([&] {
    return tideway::c::TextOf(client, json, [](const tideway::Client& of) {
      return tideway::c::JsonOf(of.residual_stats());
    });
  });
}

}  // extern "C"
