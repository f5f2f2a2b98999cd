// The TCP transport: Listen and Connect, and its line in the list of transports.

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tideway/transport.h"
#include "transports/tcp/acceptor.h"
#include "transports/tcp/connector.h"
#include "transports/tcp/interfaces.h"
#include "transports/tcp/loop.h"
#include "transports/tcp/socket_options.h"

namespace tideway::tcp {
namespace {

TransportInfo Info() {
  TransportInfo info;
  info.name = "tcp";
  info.schemes = {"tcp"};
  info.crosses_hosts = true;
  info.crosses_processes = true;
  info.providers = {{.name = info.name,
                     .scheme = "tcp",
                     .devices = Interfaces(),
                     .wait = "spins for spin_us, then blocks in epoll"}};
  return info;
}

absl::Status CheckAddress(const Uri& uri, bool zero_port_allowed) {
  if (uri.scheme != "tcp") {
    return absl::InvalidArgumentError(absl::StrCat(uri.ToString(), " is no tcp:// address"));
  }
  if (!uri.port.has_value() || (*uri.port == 0 && !zero_port_allowed)) {
    return absl::InvalidArgumentError(
        absl::StrCat(uri.ToString(), " needs a port, for example tcp://", uri.host, ":5000"));
  }
  return absl::OkStatus();
}

class TcpTransport final : public Transport {
 public:
  explicit TcpTransport(const TransportContext& context)
      : info_(Info()), loop_(std::make_shared<Loop>(context.executor, context.log)) {}
  ~TcpTransport() override {
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
    auto acceptor = std::make_shared<Acceptor>(loop_, std::move(accept));
    status = acceptor->Open(uri, *params);
    if (!status.ok()) return status;
    loop_->RaiseSpin(params->spin_us);
    Uri address = uri;
    address.port = acceptor->port();
    Task start = [acceptor] { acceptor->Start(); };
    if (!loop_->TryPost(start)) return absl::CancelledError("the transport was stopped");
    return std::make_unique<TcpListener>(loop_, std::move(acceptor), std::move(address));
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
    auto connector = std::make_shared<Connector>(loop_, uri, *std::move(params),
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
};

}  // namespace

TransportEntry Entry() {
  TransportEntry entry;
  entry.name = "tcp";
  entry.schemes = {"tcp"};
  entry.probe = [] { return Info(); };
  entry.create = [](const TransportContext& context) -> absl::StatusOr<std::unique_ptr<Transport>> {
    if (context.executor->in_virtual_time()) {
      return absl::UnavailableError(
          "tcp runs in real time and can't be used with a simulated executor");
    }
    return std::make_unique<TcpTransport>(context);
  };
  return entry;
}

}  // namespace tideway::tcp
