// The libfabric transport: Listen and Connect, and its line in the list of transports.

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tideway/transport.h"
#include "transports/libfabric/acceptor.h"
#include "transports/libfabric/connector.h"
#include "transports/libfabric/domains.h"
#include "transports/libfabric/loop.h"
#include "transports/libfabric/provider.h"

namespace tideway::libfabric {
namespace {

// The provider that the address means, after all else about it was found right.
absl::StatusOr<const Provider*> CheckAddress(const Uri& uri, bool zero_port_allowed,
                                             Params& params) {
  if (uri.scheme != "ofi" && uri.scheme.rfind("ofi+", 0) != 0)
    return absl::InvalidArgumentError(absl::StrCat(uri.ToString(), " is no ofi:// address"));
  if (!uri.port.has_value() || (*uri.port == 0 && !zero_port_allowed)) {
    return absl::InvalidArgumentError(absl::StrCat(uri.ToString(), " needs a port, for example ",
                                                   uri.scheme, "://", uri.host, ":5000"));
  }
  absl::StatusOr<Params> parsed = ParseParams(uri);
  if (!parsed.ok()) return parsed.status();
  params = *parsed;
  return ChooseProvider(uri.scheme);
}

class OfiTransport final : public Transport {
 public:
  explicit OfiTransport(const TransportContext& context)
      : info_(Probe()),
        loop_(std::make_shared<Loop>(context.executor, context.log)),
        domains_(std::make_shared<Domains>(loop_.get())) {}
  ~OfiTransport() override { Stop(); }

  const TransportInfo& info() const override { return info_; }

  absl::StatusOr<std::unique_ptr<Listener>> Listen(const Uri& uri, AcceptHandler accept) override {
    Params params;
    absl::StatusOr<const Provider*> provider =
        CheckAddress(uri, /*zero_port_allowed=*/true, params);
    if (!provider.ok()) return provider.status();
    if (loop_->stopping()) return absl::CancelledError("the transport was stopped");
    auto acceptor = std::make_shared<Acceptor>(loop_, domains_, **provider, std::move(accept));
    absl::Status status = acceptor->Open(uri);
    if (!status.ok()) return status;
    loop_->RaiseSpin(params.spin_us);
    Uri address = uri;
    address.port = acceptor->port();
    if (!loop_->Run([&] { status = acceptor->Start(); }))
      status = absl::CancelledError("the transport was stopped");
    if (!status.ok()) return status;
    return std::make_unique<OfiListener>(loop_, std::move(acceptor), std::move(address));
  }

  void Connect(const Uri& uri, absl::Time deadline, std::shared_ptr<Receiver> receiver,
               ConnectDone done) override {
    Params params;
    absl::StatusOr<const Provider*> provider =
        CheckAddress(uri, /*zero_port_allowed=*/false, params);
    absl::Status status = provider.status();
    if (status.ok() && loop_->stopping())
      status = absl::CancelledError("the transport was stopped");
    if (!status.ok()) {
      receiver.reset();
      loop_->Post([status, done = std::move(done)]() mutable { std::move(done)(status); });
      return;
    }
    loop_->RaiseSpin(params.spin_us);
    auto connector = std::make_shared<Connector>(loop_, domains_, **provider, uri,
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
  const std::shared_ptr<Domains> domains_;
};

}  // namespace

TransportEntry Entry() {
  TransportEntry entry;
  entry.name = "libfabric";
  entry.schemes = {"ofi"};
  for (const Provider& provider : Providers()) entry.schemes.emplace_back(provider.scheme);
  entry.probe = [] { return Probe(); };
  entry.create = [](const TransportContext& context) -> absl::StatusOr<std::unique_ptr<Transport>> {
    if (context.executor->in_virtual_time()) {
      return absl::UnavailableError(
          "libfabric runs in real time and can't be used with a simulated executor");
    }
    return std::make_unique<OfiTransport>(context);
  };
  return entry;
}

}  // namespace tideway::libfabric
