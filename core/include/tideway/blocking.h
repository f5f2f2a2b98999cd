// Blocking forms of asynchronous calls, for programs that would rather wait.
//
//   absl::Status joined = tideway::Await([&](auto done) { client->Join(deadline, std::move(done)); });
//   auto report = tideway::AwaitResult<tideway::PushReport>(
//       [&](auto done) { client->Push(delta, {}, deadline, std::move(done)); });
//
// Never call them from a completion or another thread of the runtime: they would wait for themselves.

#ifndef TIDEWAY_CORE_INCLUDE_TIDEWAY_BLOCKING_H_
#define TIDEWAY_CORE_INCLUDE_TIDEWAY_BLOCKING_H_

#include <future>
#include <memory>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace tideway {

template <typename Call>
absl::Status Await(Call&& call) {
  auto promise = std::make_shared<std::promise<absl::Status>>();
  std::future<absl::Status> future = promise->get_future();
  call(absl::AnyInvocable<void(absl::Status)>(
      [promise](absl::Status status) { promise->set_value(std::move(status)); }));
  return future.get();
}

template <typename Result, typename Call>
absl::StatusOr<Result> AwaitResult(Call&& call) {
  auto promise = std::make_shared<std::promise<absl::StatusOr<Result>>>();
  std::future<absl::StatusOr<Result>> future = promise->get_future();
  call(absl::AnyInvocable<void(absl::StatusOr<Result>)>(
      [promise](absl::StatusOr<Result> result) { promise->set_value(std::move(result)); }));
  return future.get();
}

}  // namespace tideway

#endif  // TIDEWAY_CORE_INCLUDE_TIDEWAY_BLOCKING_H_
