#include "tests/rdma/channel.h"

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "tests/rdma/checks.h"
#include "tideway/blocking.h"

namespace tideway::rdma {
namespace {

constexpr absl::Duration kBetweenAttempts = absl::Milliseconds(300);

absl::Span<const std::byte> Bytes(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

}  // namespace

void Pause(Executor& executor, absl::Duration duration) {
  absl::Notification passed;
  executor.PostAt(executor.Now() + duration, [&passed] { passed.Notify(); });
  passed.WaitForNotification();
}

absl::StatusOr<Landing> Inbox::OnMessage(absl::Span<const std::byte> header, size_t payload_bytes) {
  auto slot = std::make_shared<Slot>();
  slot->message.header.assign(reinterpret_cast<const char*>(header.data()), header.size());
  slot->message.payload.resize(payload_bytes);
  absl::MutexLock lock(&mutex_);
  slots_.push_back(slot);
  return Landing{absl::MakeSpan(slot->message.payload), [this, slot](const absl::Status& status) {
                   absl::MutexLock inner(&mutex_);
                   slot->landed = status.ok();
                 }};
}

void Inbox::OnClosed(const absl::Status& reason) {
  absl::MutexLock lock(&mutex_);
  closed_ = true;
  reason_ = reason;
}

absl::StatusOr<Received> Inbox::Next() {
  absl::MutexLock lock(&mutex_);
  const auto ready = [this]()
                         ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return FirstLanded() || closed_; };
  if (!mutex_.AwaitWithTimeout(absl::Condition(&ready), kPatience)) {
    return absl::DeadlineExceededError("no message came");
  }
  if (!FirstLanded()) return absl::UnavailableError(absl::StrCat("closed: ", reason_.ToString()));
  Received message = std::move(slots_.front()->message);
  slots_.pop_front();
  return message;
}

absl::Status Inbox::AwaitClosed() {
  absl::MutexLock lock(&mutex_);
  if (mutex_.AwaitWithTimeout(absl::Condition(&closed_), kPatience)) return absl::OkStatus();
  return absl::DeadlineExceededError("the peer's end was not noticed");
}

absl::StatusOr<std::unique_ptr<Channel>> Channel::To(Runtime& runtime, const Uri& uri) {
  const absl::StatusOr<Transport*> transport = runtime.TransportFor(uri.scheme);
  if (!transport.ok()) return transport.status();
  Executor& executor = runtime.executor();
  const absl::Time deadline = executor.Now() + kPatience;
  auto inbox = std::make_shared<Inbox>();
  while (true) {
    auto connection = AwaitResult<std::shared_ptr<Connection>>(
        [&](auto done) { (*transport)->Connect(uri, deadline, inbox, std::move(done)); });
    if (connection.ok()) {
      return std::make_unique<Channel>(runtime, *std::move(connection), std::move(inbox));
    }
    if (!absl::IsUnavailable(connection.status()) || executor.Now() >= deadline) {
      return connection.status();
    }
    Pause(executor, kBetweenAttempts);
  }
}

void Channel::Send(std::string header, std::vector<std::byte> payload) {
  auto content = std::make_shared<Received>(Received{std::move(header), std::move(payload)});
  Message message;
  message.header = Bytes(content->header);
  if (!content->payload.empty()) message.payload.emplace_back(content->payload);
  connection_->Send(std::move(message), runtime_.executor().Now() + kPatience,
                    [content, connection = connection_](const absl::Status& status) {
                      if (!status.ok()) connection->Close(status);
                    });
}

absl::StatusOr<std::unique_ptr<Door>> Door::Open(Runtime& runtime, const Uri& uri) {
  const absl::StatusOr<Transport*> transport = runtime.TransportFor(uri.scheme);
  if (!transport.ok()) return transport.status();
  std::unique_ptr<Door> door(new Door(runtime));
  auto listener =
      (*transport)->Listen(uri, [hall = door->hall_](std::shared_ptr<Connection> connection) {
        auto inbox = std::make_shared<Inbox>();
        absl::MutexLock lock(&hall->mutex);
        hall->waiting.emplace_back(std::move(connection), inbox);
        return inbox;
      });
  if (!listener.ok()) return listener.status();
  door->listener_ = *std::move(listener);
  PrintAddress(door->listener_->address().ToString());
  return door;
}

absl::StatusOr<std::unique_ptr<Channel>> Door::Accept() {
  absl::MutexLock lock(&hall_->mutex);
  const auto somebody = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return !hall_->waiting.empty(); };
  if (!hall_->mutex.AwaitWithTimeout(absl::Condition(&somebody), kPatience)) {
    return absl::DeadlineExceededError("nobody connected");
  }
  auto [connection, inbox] = std::move(hall_->waiting.front());
  hall_->waiting.pop_front();
  return std::make_unique<Channel>(runtime_, std::move(connection), std::move(inbox));
}

}  // namespace tideway::rdma
