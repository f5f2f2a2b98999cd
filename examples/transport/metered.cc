// A transport of one's own, outside of Tideway's tree: metered://host:port is TCP that counts what goes over it, message by message.
//
// It wraps another transport, which is how one adds a meter, a cipher, a proxy or a fault (tideway/fault_transport.h does that). One over
// a medium of its own implements the same classes; tideway/transport.h says what they promise, and docs/extend.md how to find out
// whether they keep it. The program below trains through it: both ends are told to use it by the scheme of the address alone.

#include <atomic>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tideway/blocking.h"
#include "tideway/builtin_codecs.h"
#include "tideway/builtin_transports.h"
#include "tideway/client.h"
#include "tideway/server.h"
#include "tideway/transport.h"

namespace {

constexpr char kScheme[] = "metered";

struct Meter {
  std::atomic<uint64_t> messages{0};
  std::atomic<uint64_t> bytes{0};
};

tideway::Uri WithScheme(tideway::Uri uri, const char* scheme) {
  uri.scheme = scheme;
  return uri;
}

class MeteredConnection final : public tideway::Connection {
 public:
  MeteredConnection(std::shared_ptr<tideway::Connection> inner, std::shared_ptr<Meter> meter)
      : inner_(std::move(inner)), meter_(std::move(meter)) {}

  void Send(tideway::Message message, absl::Time deadline, tideway::Done done) override {
    ++meter_->messages;
    meter_->bytes += message.header.size() + message.payload_bytes();
    inner_->Send(std::move(message), deadline, std::move(done));
  }
  void Close(absl::Status reason) override { inner_->Close(std::move(reason)); }

  tideway::ConnectionInfo info() const override {
    tideway::ConnectionInfo info = inner_->info();
    info.transport = kScheme;
    return info;
  }

 private:
  const std::shared_ptr<tideway::Connection> inner_;
  const std::shared_ptr<Meter> meter_;
};

class MeteredListener final : public tideway::Listener {
 public:
  explicit MeteredListener(std::unique_ptr<tideway::Listener> inner) : inner_(std::move(inner)) {}
  tideway::Uri address() const override { return WithScheme(inner_->address(), kScheme); }

 private:
  const std::unique_ptr<tideway::Listener> inner_;
};

tideway::TransportInfo Info() {
  return {.name = kScheme, .schemes = {kScheme}, .crosses_hosts = true, .crosses_processes = true};
}

// Hands everything on, each connection in its wrapping. What comes in needs none: the receiver is the upper layer's.
class MeteredTransport final : public tideway::Transport {
 public:
  MeteredTransport(std::unique_ptr<tideway::Transport> inner, std::shared_ptr<Meter> meter)
      : inner_(std::move(inner)), meter_(std::move(meter)) {}
  ~MeteredTransport() override { MeteredTransport::Stop(); }

  const tideway::TransportInfo& info() const override { return info_; }

  absl::StatusOr<std::unique_ptr<tideway::Listener>> Listen(
      const tideway::Uri& uri, tideway::AcceptHandler accept) override {
    auto listener = inner_->Listen(
        WithScheme(uri, "tcp"), [meter = meter_, accept = std::move(accept)](
                                    std::shared_ptr<tideway::Connection> connection) mutable {
          return accept(std::make_shared<MeteredConnection>(std::move(connection), meter));
        });
    if (!listener.ok()) return listener.status();
    return std::make_unique<MeteredListener>(*std::move(listener));
  }

  void Connect(const tideway::Uri& uri, absl::Time deadline,
               std::shared_ptr<tideway::Receiver> receiver, tideway::ConnectDone done) override {
    inner_->Connect(WithScheme(uri, "tcp"), deadline, std::move(receiver),
                    [meter = meter_, done = std::move(done)](
                        absl::StatusOr<std::shared_ptr<tideway::Connection>> connection) mutable {
                      if (!connection.ok()) return done(connection.status());
                      done(std::make_shared<MeteredConnection>(*std::move(connection), meter));
                    });
  }

  void Stop() override { inner_->Stop(); }

 private:
  const tideway::TransportInfo info_ = Info();
  const std::unique_ptr<tideway::Transport> inner_;
  const std::shared_ptr<Meter> meter_;
};

// One entry more beside those that Tideway has.
absl::StatusOr<tideway::TransportRegistry> WithMeter(const std::shared_ptr<Meter>& meter) {
  tideway::TransportRegistry transports = tideway::BuiltinTransports();
  absl::Status added =
      transports.Add({.name = kScheme,
                      .schemes = {kScheme},
                      .probe = Info,
                      .create = [meter](const tideway::TransportContext& context)
                          -> absl::StatusOr<std::unique_ptr<tideway::Transport>> {
                        const tideway::TransportRegistry builtin = tideway::BuiltinTransports();
                        const auto tcp = builtin.FindScheme("tcp");
                        if (!tcp.ok()) return tcp.status();
                        auto inner = (*tcp)->create(context);
                        if (!inner.ok()) return inner.status();
                        return std::make_unique<MeteredTransport>(*std::move(inner), meter);
                      }});
  if (!added.ok()) return added;
  return transports;
}

// Pushes a delta of ones to a server over the metered transport, and returns what is there then.
absl::StatusOr<std::vector<float>> PushOnes(tideway::Runtime& runtime,
                                            const tideway::Layout& layout) {
  const auto server = tideway::Server::Start(
      &runtime, {.listen = {"metered://127.0.0.1:0"}, .outer_optimizer = "sgd:lr=1"}, layout,
      std::vector<float>(layout.elements()));
  if (!server.ok()) return server.status();
  std::printf("listening on %s\n", (*server)->addresses()[0].c_str());
  const auto client =
      tideway::Client::Create(&runtime, {.servers = (*server)->addresses()}, layout);
  if (!client.ok()) return client.status();
  const absl::Time deadline = runtime.executor().Now() + absl::Seconds(20);
  const absl::Status joined =
      tideway::Await([&](auto done) { (*client)->Join(deadline, std::move(done)); });
  if (!joined.ok()) return joined;
  std::vector<float> theta(layout.elements());
  const std::vector<float> ones(layout.elements(), 1.0f);
  const auto report = tideway::AwaitResult<tideway::Client::PushPullReport>([&](auto done) {
    (*client)->PushPull(ones, {}, absl::MakeSpan(theta), {}, deadline, std::move(done));
  });
  if (!report.ok()) return report.status();
  return theta;
}

}  // namespace

int main() {
  const auto meter = std::make_shared<Meter>();
  auto transports = WithMeter(meter);
  const auto layout = tideway::Layout::Create({{"w", {1 << 20}}});
  if (!transports.ok() || !layout.ok()) return 1;
  tideway::Runtime runtime(
      {.transports = *std::move(transports), .codecs = tideway::BuiltinCodecs()});
  const auto theta = PushOnes(runtime, *layout);
  if (!theta.ok()) {
    std::fprintf(stderr, "metered: %s\n", theta.status().ToString().c_str());
    return 1;
  }
  const uint64_t bytes = meter->bytes;
  std::printf("%llu messages, %llu bytes, both ways; w[0] = %.1f\n",
              static_cast<unsigned long long>(meter->messages),
              static_cast<unsigned long long>(bytes), static_cast<double>((*theta)[0]));
  // Four MiB went up, four came down, and little else.
  const bool counted = bytes > (8u << 20) && bytes < (9u << 20);
  return counted && (*theta)[0] == -1.0f ? 0 : 1;
}
