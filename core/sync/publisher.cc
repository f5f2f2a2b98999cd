#include "tideway/publisher.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/runtime/forget.h"
#include "core/sync/publisher_core.h"
#include "tideway/process_mark.h"

namespace tideway {
namespace {

class PublisherImpl final : public Publisher {
 public:
  PublisherImpl(Runtime* runtime, std::shared_ptr<sync::PublisherCore> core)
      : runtime_(runtime), core_(std::move(core)) {}
  ~PublisherImpl() override {
    if (process_.IsHere()) {
      Stop();
    } else {
      Forget(listeners_);
      Forget(core_);
    }
  }

  absl::Status Listen(const std::vector<std::string>& addresses) {
    for (const std::string& address : addresses) {
      absl::Status status = ListenOn(address);
      if (status.ok()) continue;
      return absl::Status(status.code(),
                          absl::StrCat("can't listen on ", address, ": ", status.message()));
    }
    core_->Start();
    return absl::OkStatus();
  }

  std::vector<std::string> addresses() const override { return addresses_; }
  uint64_t epoch() const override { return core_->epoch(); }
  absl::StatusOr<PublishReport> Publish(uint64_t version,
                                        absl::Span<const WeightView> weights) override {
    if (absl::Status here = process_.Check(); !here.ok()) return here;
    return core_->Publish(version, weights);
  }
  PublisherStats stats() const override {
    return process_.IsHere() ? core_->stats() : PublisherStats();
  }
  void Stop() override {
    if (!process_.IsHere()) return;
    listeners_.clear();
    core_->Stop();
  }

 private:
  absl::Status ListenOn(const std::string& address) {
    const absl::StatusOr<Uri> uri = Uri::Parse(address);
    if (!uri.ok()) return uri.status();
    const absl::StatusOr<Transport*> transport = runtime_->TransportFor(uri->scheme);
    if (!transport.ok()) return transport.status();
    auto listener = (*transport)->Listen(*uri, [core = core_](std::shared_ptr<Connection> c) {
      return core->Accept(std::move(c));
    });
    if (!listener.ok()) return listener.status();
    addresses_.push_back((*listener)->address().ToString());
    runtime_->Log(LogLevel::kInfo, absl::StrCat("publisher: listens on ", addresses_.back()));
    listeners_.push_back(*std::move(listener));
    return absl::OkStatus();
  }

  Runtime* const runtime_;
  const ProcessMark process_;
  std::shared_ptr<sync::PublisherCore> core_;
  std::vector<std::string> addresses_;
  std::vector<std::unique_ptr<Listener>> listeners_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Publisher>> Publisher::Start(Runtime* runtime,
                                                            PublisherOptions options,
                                                            const WeightLayout& layout) {
  if (absl::Status here = runtime->CheckProcess(); !here.ok()) return here;
  auto core = sync::PublisherCore::Create(runtime, options, layout);
  if (!core.ok()) return core.status();
  auto publisher = std::make_unique<PublisherImpl>(runtime, *std::move(core));
  absl::Status status = publisher->Listen(options.listen);
  if (!status.ok()) return status;
  return publisher;
}

}  // namespace tideway
