// The in-process transport: inproc://name. One Transport instance is the meeting point: what listens on it can be
// reached through it and through nothing else.

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "tideway/spec.h"
#include "tideway/transport.h"
#include "transports/inproc/callback_queue.h"
#include "transports/inproc/connection.h"
#include "transports/inproc/exposed_table.h"

namespace tideway::inproc {
namespace {

TransportInfo Info() {
  TransportInfo info;
  info.name = "inproc";
  info.schemes = {"inproc"};
  ProviderInfo provider;
  provider.name = info.name;
  provider.scheme = "inproc";
  provider.same_host_only = true;
  provider.one_sided = true;
  provider.wait = "has no thread of its own";
  info.providers = {provider};
  return info;
}

absl::Status CheckAddress(const Uri& uri) {
  if (uri.scheme != "inproc") {
    return absl::InvalidArgumentError(absl::StrCat(uri.ToString(), " is no inproc:// address"));
  }
  const Spec spec = {.name = "inproc", .params = uri.params};
  return SpecReader(spec).Finish();
}

absl::Status Stopped() { return absl::CancelledError("the transport was stopped"); }

// What the handles of one transport share.
struct Hub {
  explicit Hub(Executor* executor) : callbacks(std::make_shared<CallbackQueue>(executor)) {}

  const std::shared_ptr<CallbackQueue> callbacks;
  const std::shared_ptr<OpenEnds> open_ends = std::make_shared<OpenEnds>();
  const std::shared_ptr<ExposedTable> exposed = std::make_shared<ExposedTable>();
  uint64_t clients = 0;  // the callback queue's

  absl::Mutex mutex;
  bool stopped ABSL_GUARDED_BY(mutex) = false;
  std::map<std::string, std::shared_ptr<AcceptHandler>> listening ABSL_GUARDED_BY(mutex);
};

class InprocListener final : public Listener {
 public:
  InprocListener(std::shared_ptr<Hub> hub, Uri address)
      : hub_(std::move(hub)), address_(std::move(address)) {}
  // Waits for an accept callback that runs, unless called from it.
  ~InprocListener() override {
    hub_->callbacks->RunExclusively([this] {
      absl::MutexLock lock(&hub_->mutex);
      hub_->listening.erase(address_.ToString());
    });
  }
  Uri address() const override { return address_; }

 private:
  const std::shared_ptr<Hub> hub_;
  const Uri address_;
};

// The callback queue's part of Connect.
absl::StatusOr<std::shared_ptr<InprocConnection>> Meet(Hub& hub, const Uri& uri,
                                                       absl::Time deadline) {
  std::shared_ptr<AcceptHandler> accept;
  {
    absl::MutexLock lock(&hub.mutex);
    if (hub.stopped) return Stopped();
    auto found = hub.listening.find(uri.ToString());
    if (found != hub.listening.end()) accept = found->second;
  }
  if (deadline <= hub.callbacks->executor().Now()) {
    return absl::DeadlineExceededError(
        absl::StrCat("no connection with ", uri.ToString(), " by the deadline"));
  }
  if (accept == nullptr) {
    return absl::UnavailableError(absl::StrCat("nobody in this process listens on ", uri.ToString(),
                                               "; is the server running?"));
  }
  const std::string client_name = absl::StrCat("inproc://client-", ++hub.clients);
  const auto end = [&](const std::string& local, const std::string& peer) {
    ConnectionInfo info;
    info.transport = "inproc";
    info.local = local;
    info.peer = peer;
    info.in_memory = true;
    info.details["one_sided"] = "a copy within the process";
    return std::make_shared<InprocConnection>(hub.callbacks, hub.open_ends, hub.exposed,
                                              std::move(info));
  };
  auto client = end(client_name, uri.ToString());
  auto server = end(uri.ToString(), client_name);
  InprocConnection::Join(client, server);
  std::shared_ptr<Receiver> receiver = (*accept)(server);
  if (receiver != nullptr) {
    server->Open(std::move(receiver));
    return client;
  }
  server->CloseNow(absl::CancelledError("the connection was refused on this side"));
  return absl::UnavailableError(absl::StrCat(uri.ToString(), " refused the connection"));
}

class InprocTransport final : public Transport {
 public:
  explicit InprocTransport(const TransportContext& context)
      : info_(Info()), hub_(std::make_shared<Hub>(context.executor)) {}
  ~InprocTransport() override { Stop(); }

  const TransportInfo& info() const override { return info_; }

  absl::StatusOr<std::unique_ptr<Listener>> Listen(const Uri& uri, AcceptHandler accept) override {
    absl::Status status = CheckAddress(uri);
    if (!status.ok()) return status;
    Uri address = uri;
    absl::MutexLock lock(&hub_->mutex);
    if (hub_->stopped) return Stopped();
    if (address.port == 0) {
      do {
        address.port = next_port_ = next_port_ == UINT16_MAX ? 1 : next_port_ + 1;
      } while (hub_->listening.contains(address.ToString()));
    }
    auto handler = std::make_shared<AcceptHandler>(std::move(accept));
    if (!hub_->listening.emplace(address.ToString(), std::move(handler)).second) {
      return absl::AlreadyExistsError(
          absl::StrCat(address.ToString(), " is taken; choose another name"));
    }
    return std::make_unique<InprocListener>(hub_, std::move(address));
  }

  void Connect(const Uri& uri, absl::Time deadline, std::shared_ptr<Receiver> receiver,
               ConnectDone done) override {
    absl::Status status = CheckAddress(uri);
    hub_->callbacks->Post([hub = hub_, uri, deadline, status, receiver = std::move(receiver),
                           done = std::move(done)]() mutable {
      absl::StatusOr<std::shared_ptr<InprocConnection>> client =
          status.ok() ? Meet(*hub, uri, deadline) : status;
      if (!client.ok()) {
        receiver.reset();
        std::move(done)(client.status());
        return;
      }
      (*client)->Open(std::move(receiver));
      std::move(done)(std::shared_ptr<Connection>(*client));
    });
  }

  void Stop() override {
    {
      absl::MutexLock lock(&hub_->mutex);
      hub_->stopped = true;
    }
    hub_->callbacks->Stop([this] {
      while (!hub_->open_ends->empty()) {
        const std::shared_ptr<InprocConnection> end = *hub_->open_ends->begin();
        end->CloseNow(Stopped());
      }
    });
  }

 private:
  const TransportInfo info_;
  const std::shared_ptr<Hub> hub_;
  uint16_t next_port_ = 0;  // under hub_->mutex
};

}  // namespace

TransportEntry Entry() {
  TransportEntry entry;
  entry.name = "inproc";
  entry.schemes = {"inproc"};
  entry.probe = [] { return Info(); };
  entry.create = [](const TransportContext& context) -> absl::StatusOr<std::unique_ptr<Transport>> {
    return std::make_unique<InprocTransport>(context);
  };
  return entry;
}

}  // namespace tideway::inproc
