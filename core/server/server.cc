#include "tideway/server.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "core/runtime/forget.h"
#include "core/server/listeners.h"
#include "core/server/server_core.h"
#include "tideway/process_mark.h"

namespace tideway {
namespace {

class ServerImpl final : public Server {
 public:
  ServerImpl(Runtime* runtime, std::shared_ptr<ServerCore> core, const Layout& layout,
             uint32_t index)
      : runtime_(runtime),
        core_(std::move(core)),
        layout_(layout),
        index_(index),
        listeners_(std::make_unique<Listeners>(
            runtime,
            [core = core_](std::shared_ptr<Connection> c) { return core->Accept(std::move(c)); },
            [core = core_](const wire::Offer& offer) { core->SetOffer(offer); })) {}

  ~ServerImpl() override {
    if (process_.IsHere()) {
      Stop();
    } else {
      Forget(listeners_);
      Forget(core_);
    }
  }

  absl::Status Listen(const std::vector<std::string>& addresses) {
    absl::Status status = listeners_->Open(addresses);
    if (!status.ok()) return status;
    for (const std::string& address : listeners_->addresses()) {
      runtime_->Log(LogLevel::kInfo, absl::StrCat("server ", index_, " listens on ", address));
    }
    core_->StartTimers();
    return absl::OkStatus();
  }

  std::vector<std::string> addresses() const override { return listeners_->addresses(); }

  ServerStats stats() const override { return process_.IsHere() ? core_->stats() : ServerStats(); }

  absl::Status ReadParameters(absl::Span<float> destination) const override {
    if (absl::Status here = process_.Check(); !here.ok()) return here;
    if (destination.size() != layout_.elements()) {
      return absl::InvalidArgumentError(absl::StrCat("destination has ", destination.size(),
                                                     " values, the layout ", layout_.elements()));
    }
    absl::Notification ready;
    core_->Collect([&](SnapshotContent content) {
      for (const auto& [id, state] : content.fragments) {
        std::copy(state.theta.begin(), state.theta.end(),
                  destination.begin() + static_cast<ptrdiff_t>(layout_.fragments()[id].offset));
      }
      ready.Notify();
    });
    ready.WaitForNotification();
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> Snapshot() override {
    if (absl::Status here = process_.Check(); !here.ok()) return here;
    absl::Notification written;
    absl::StatusOr<std::string> result;
    core_->WriteSnapshot([&](absl::StatusOr<std::string> folder) {
      result = std::move(folder);
      written.Notify();
    });
    written.WaitForNotification();
    return result;
  }

  void Stop() override {
    if (!process_.IsHere()) return;
    listeners_->Close();
    core_->Stop();
  }

 private:
  Runtime* const runtime_;
  const ProcessMark process_;
  std::shared_ptr<ServerCore> core_;
  const Layout layout_;
  const uint32_t index_;
  std::unique_ptr<Listeners> listeners_;
};

absl::StatusOr<std::unique_ptr<Server>> StartWith(Runtime* runtime, ServerOptions options,
                                                  const Layout& layout,
                                                  absl::Span<const float> initial,
                                                  const SnapshotContent* snapshot) {
  const std::vector<std::string> listen = options.listen;
  const uint32_t index = options.server_index;
  auto core = ServerCore::Create(runtime, std::move(options), layout, initial, snapshot);
  if (!core.ok()) return core.status();
  auto server = std::make_unique<ServerImpl>(runtime, *std::move(core), layout, index);
  absl::Status status = server->Listen(listen);
  if (!status.ok()) return status;
  return server;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(Runtime* runtime, ServerOptions options,
                                                      const Layout& layout,
                                                      absl::Span<const float> initial) {
  if (absl::Status here = runtime->CheckProcess(); !here.ok()) return here;
  return StartWith(runtime, std::move(options), layout, initial, nullptr);
}

absl::StatusOr<std::unique_ptr<Server>> Server::Recover(Runtime* runtime, ServerOptions options,
                                                        const Layout& layout) {
  if (absl::Status here = runtime->CheckProcess(); !here.ok()) return here;
  if (options.snapshot_dir.empty()) {
    return absl::InvalidArgumentError("recovering needs a snapshot_dir");
  }
  auto content = SnapshotFolder(options.snapshot_dir, options.server_index).ReadLatest(layout);
  if (!content.ok()) return content.status();
  return StartWith(runtime, std::move(options), layout, {}, &*content);
}

}  // namespace tideway
