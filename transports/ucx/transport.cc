// The UCX transport: Listen and Connect, and its line in the list of transports.

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tideway/transport.h"
#include "transports/ucx/acceptor.h"
#include "transports/ucx/connector.h"
#include "transports/ucx/handshake.h"
#include "transports/ucx/loop.h"
#include "transports/ucx/probe.h"
#include "transports/ucx/settings.h"

namespace tideway::ucx {
namespace {

absl::Status CheckAddress(const Uri& uri, bool zero_port_allowed) {
  if (uri.scheme != "ucx") {
    return absl::InvalidArgumentError(absl::StrCat(uri.ToString(), " is no ucx:// address"));
  }
  if (!uri.port.has_value() || (*uri.port == 0 && !zero_port_allowed)) {
    return absl::InvalidArgumentError(
        absl::StrCat(uri.ToString(), " needs a port, for example ucx://", uri.host, ":5000"));
  }
  return absl::OkStatus();
}

class UcxTransport final : public Transport {
 public:
  UcxTransport(const TransportContext& context, TransportInfo info)
      : info_(std::move(info)),
        loop_(std::make_shared<Loop>(context.executor, context.log)),
        shared_(std::make_shared<Shared>(loop_, context.executor->Random())) {}
  ~UcxTransport() override {
    Stop();
    loop_->Destroy();
  }

  const TransportInfo& info() const override { return info_; }

  absl::StatusOr<std::unique_ptr<Listener>> Listen(const Uri& uri, AcceptHandler accept) override {
    absl::Status status = CheckAddress(uri, /*zero_port_allowed=*/true);
    if (!status.ok()) return status;
    absl::StatusOr<Params> params = ParseParams(uri);
    if (!params.ok()) return params.status();
    if (loop_->stopping()) return absl::CancelledError("the transport was stopped");
    // What this host can't do is said now, and not to each client.
    status = shared_->contexts.Get(params->settings, loop_->log()).status();
    if (!status.ok()) return status;
    auto acceptor = std::make_shared<Acceptor>(shared_, params->settings, std::move(accept));
    status = acceptor->Open(uri);
    if (!status.ok()) return status;
    loop_->RaiseSpin(params->spin_us);
    Uri address = uri;
    address.port = acceptor->port();
    Task start = [acceptor] { acceptor->Start(); };
    if (!loop_->TryPost(start)) return absl::CancelledError("the transport was stopped");
    return std::make_unique<UcxListener>(loop_, std::move(acceptor), std::move(address));
  }

  void Connect(const Uri& uri, absl::Time deadline, std::shared_ptr<Receiver> receiver,
               ConnectDone done) override {
    absl::Status status = CheckAddress(uri, /*zero_port_allowed=*/false);
    absl::StatusOr<Params> params = ParseParams(uri);
    if (status.ok()) status = params.status();
    if (status.ok() && loop_->stopping())
      status = absl::CancelledError("the transport was stopped");
    if (!status.ok()) {
      loop_->Post([status, done = std::move(done)]() mutable { std::move(done)(status); });
      return;
    }
    loop_->RaiseSpin(params->spin_us);
    auto connector = std::make_shared<Connector>(shared_, uri, std::move(params->settings),
                                                 std::move(receiver), std::move(done));
    Task start = [connector, deadline] { connector->Start(deadline); };
    if (loop_->TryPost(start)) return;
    loop_->Post(
        [connector] { connector->CloseOnLoop(absl::CancelledError("the transport was stopped")); });
  }

  void Stop() override { loop_->Stop(); }

 private:
  const TransportInfo info_;
  const std::shared_ptr<Loop> loop_;
  const std::shared_ptr<Shared> shared_;
};

}  // namespace

TransportEntry Entry() {
  TransportEntry entry;
  entry.name = "ucx";
  entry.schemes = {"ucx"};
  entry.probe = [] { return Probe(); };
  entry.create = [](const TransportContext& context) -> absl::StatusOr<std::unique_ptr<Transport>> {
    if (context.executor->in_virtual_time()) {
      return absl::UnavailableError(
          "ucx runs in real time and can't be used with a simulated executor");
    }
    TransportInfo info = Probe();
    if (!info.viable) return absl::UnavailableError(info.unavailable_reason);
    ClaimProcess();
    return std::make_unique<UcxTransport>(context, std::move(info));
  };
  return entry;
}

}  // namespace tideway::ucx
