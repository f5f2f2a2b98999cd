#include "tideway/server.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "core/server/server_core.h"

namespace tideway {
namespace {

class ServerImpl final : public Server {
 public:
  ServerImpl(Runtime* runtime, std::shared_ptr<ServerCore> core, const Layout& layout,
             uint32_t index)
      : runtime_(runtime), core_(std::move(core)), layout_(layout), index_(index) {}

  ~ServerImpl() override { Stop(); }

  absl::Status Listen(const std::vector<std::string>& addresses) {
    for (const std::string& address : addresses) {
      absl::Status status = ListenOn(address);
      if (!status.ok()) {
        return absl::Status(status.code(),
                            absl::StrCat("can't listen on ", address, ": ", status.message()));
      }
    }
    core_->StartTimers();
    return absl::OkStatus();
  }

  std::vector<std::string> addresses() const override {
    std::vector<std::string> addresses;
    for (const auto& listener : listeners_) addresses.push_back(listener->address().ToString());
    return addresses;
  }

  ServerStats stats() const override { return core_->stats(); }

  absl::Status ReadParameters(absl::Span<float> destination) const override {
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
    listeners_.clear();
    core_->Stop();
  }

 private:
  absl::Status ListenOn(const std::string& address) {
    auto uri = Uri::Parse(address);
    if (!uri.ok()) return uri.status();
    auto transport = runtime_->TransportFor(uri->scheme);
    if (!transport.ok()) return transport.status();
    auto listener = (*transport)->Listen(*uri, [core = core_](std::shared_ptr<Connection> c) {
      return core->Accept(std::move(c));
    });
    if (!listener.ok()) return listener.status();
    runtime_->Log(LogLevel::kInfo, absl::StrCat("server ", index_, " listens on ",
                                                (*listener)->address().ToString()));
    listeners_.push_back(*std::move(listener));
    return absl::OkStatus();
  }

  Runtime* const runtime_;
  const std::shared_ptr<ServerCore> core_;
  const Layout layout_;
  const uint32_t index_;
  std::vector<std::unique_ptr<Listener>> listeners_;
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
  return StartWith(runtime, std::move(options), layout, initial, nullptr);
}

absl::StatusOr<std::unique_ptr<Server>> Server::Recover(Runtime* runtime, ServerOptions options,
                                                        const Layout& layout) {
  if (options.snapshot_dir.empty()) {
    return absl::InvalidArgumentError("recovering needs a snapshot_dir");
  }
  auto content = SnapshotFolder(options.snapshot_dir, options.server_index).ReadLatest(layout);
  if (!content.ok()) return content.status();
  return StartWith(runtime, std::move(options), layout, {}, &*content);
}

}  // namespace tideway
