// The simulated transport's Listen, Connect and Stop, and its line in the list of transports.

#include <utility>

#include "absl/strings/str_cat.h"
#include "tideway/sim_network.h"
#include "tideway/spec.h"
#include "transports/sim/node.h"

namespace tideway {
namespace sim {
namespace {

constexpr uint16_t kDefaultPort = 1;
// As with TCP, a request that a partition swallows is sent again.
constexpr absl::Duration kRequestAgain = absl::Seconds(1);
constexpr absl::Duration kConnectPatience = absl::Seconds(120);
constexpr char kOwnHost[] = "localhost";  // of the entry in the list

absl::Status Stopped() { return absl::CancelledError("the transport was stopped"); }

class NodeListener final : public Listener {
 public:
  NodeListener(std::shared_ptr<Network> network, std::shared_ptr<Acceptor> acceptor,
               std::string address, Uri uri)
      : network_(std::move(network)),
        acceptor_(std::move(acceptor)),
        address_(std::move(address)),
        uri_(std::move(uri)) {}
  ~NodeListener() override {
    acceptor_->node = nullptr;
    // After a crash the address may belong to the host's next life.
    if (network_->FindAcceptor(address_) == acceptor_) network_->StopListening(address_);
  }
  Uri address() const override { return uri_; }

 private:
  const std::shared_ptr<Network> network_;
  const std::shared_ptr<Acceptor> acceptor_;
  const std::string address_;
  const Uri uri_;
};

}  // namespace

TransportInfo Info() {
  TransportInfo info;
  info.name = "sim";
  info.schemes = {"sim"};
  info.crosses_hosts = true;  // simulated ones
  info.real_time = false;
  return info;
}

Node::Node(std::shared_ptr<Network> network, std::string host, Executor* executor)
    : info_(Info()), network_(std::move(network)), host_(std::move(host)), executor_(executor) {
  network_->SetClock([executor] { return executor->Now(); });
  network_->AddNode(this);
}

Node::~Node() {
  Stop();
  network_->RemoveNode(this);
}

absl::Status Node::CheckAddress(const Uri& uri) const {
  if (uri.scheme != "sim") {
    return absl::InvalidArgumentError(absl::StrCat(uri.ToString(), " is no sim:// address"));
  }
  const Spec spec = {.name = "sim", .params = uri.params};
  return SpecReader(spec).Finish();
}

std::string Node::HostName(const std::string& host) const {
  return host == "localhost" || host == "127.0.0.1" || host == "0.0.0.0" ? host_ : host;
}

std::string Node::AddressOf(const Uri& uri) const {
  return absl::StrCat(HostName(uri.host), ":", uri.port.value_or(kDefaultPort));
}

absl::StatusOr<std::unique_ptr<Listener>> Node::Listen(const Uri& uri, AcceptHandler accept) {
  absl::Status status = CheckAddress(uri);
  if (!status.ok()) return status;
  if (stopped_ || crashed_) return Stopped();
  Uri bound = uri;
  bound.host = HostName(uri.host);
  if (bound.host != host_) {
    return absl::UnavailableError(
        absl::StrCat("the host ", host_, " can't listen on ", uri.ToString()));
  }
  if (bound.port == 0) bound.port = network_->FreePort(host_);
  auto acceptor = std::make_shared<Acceptor>(Acceptor{this, std::move(accept)});
  if (!network_->Listen(AddressOf(bound), acceptor)) {
    return absl::AlreadyExistsError(
        absl::StrCat(bound.ToString(), " is taken; choose another port"));
  }
  return std::make_unique<NodeListener>(network_, std::move(acceptor), AddressOf(bound),
                                        std::move(bound));
}

void Node::Connect(const Uri& uri, absl::Time deadline, std::shared_ptr<Receiver> receiver,
                   ConnectDone done) {
  absl::Status status = CheckAddress(uri);
  const std::string peer_host = HostName(uri.host);
  if (status.ok() && (stopped_ || crashed_)) status = Stopped();
  if (status.ok() && deadline <= executor_->Now()) {
    status = absl::DeadlineExceededError(
        absl::StrCat("no connection with ", uri.ToString(), " by the deadline"));
  }
  if (status.ok() && !network_->Knows(peer_host)) {
    status = absl::UnavailableError(
        absl::StrCat("the name '", uri.host, "' leads to no simulated host"));
  }
  if (!status.ok()) {
    executor_->Post([status, done = std::move(done)]() mutable { std::move(done)(status); });
    return;
  }
  auto attempt = std::make_shared<Attempt>();
  attempt->id = network_->NextConnection();
  attempt->uri = uri;
  attempt->peer_host = peer_host;
  attempt->receiver = std::move(receiver);
  attempt->done = std::move(done);
  attempts_.emplace(attempt->id, attempt);
  attempt->deadline_timer =
      executor_->PostAt(std::min(deadline, executor_->Now() + kConnectPatience), [this, attempt] {
        if (!attempt->done || crashed_) return;
        Finish(attempt, absl::DeadlineExceededError(absl::StrCat(
                            "no connection with ", attempt->uri.ToString(), " by the deadline")));
      });
  SendRequest(attempt);
}

absl::Duration Node::DelayTo(const std::string& peer_host) {
  return network_->Delay(network_->Link(host_, peer_host));
}

void Node::SendRequest(const AttemptPtr& attempt) {
  executor_->PostAt(executor_->Now() + DelayTo(attempt->peer_host), [this, attempt] {
    if (attempt->done) OnRequest(attempt);
  });
}

// At the listening host, though run by the connecting node.
void Node::OnRequest(const AttemptPtr& attempt) {
  if (network_->Partitioned(host_, attempt->peer_host)) {
    executor_->PostAt(executor_->Now() + kRequestAgain, [this, attempt] {
      if (attempt->done) SendRequest(attempt);
    });
    return;
  }
  const std::string address = AddressOf(attempt->uri);
  const std::shared_ptr<Acceptor> acceptor = network_->FindAcceptor(address);
  if (acceptor == nullptr) {
    Answer(attempt, absl::UnavailableError(absl::StrCat("nobody listens on sim://", address,
                                                        "; is the server running there?")));
    return;
  }
  const std::string local = absl::StrCat("sim://", host_, "#", attempt->id);
  const std::string remote = absl::StrCat("sim://", address);
  attempt->client = NewEnd(attempt->id, false, host_, attempt->peer_host, local, remote);
  auto server = acceptor->node->NewEnd(attempt->id, true, attempt->peer_host, host_, remote, local);
  SimConnection::Join(attempt->client, server);
  std::shared_ptr<Receiver> receiver = acceptor->accept(server);
  if (receiver == nullptr) {
    server->CloseNow(absl::CancelledError("the connection was refused on this side"));
    Answer(attempt,
           absl::UnavailableError(absl::StrCat("sim://", address, " refused the connection")));
    return;
  }
  server->Open(std::move(receiver));
  network_->Tell({.at = executor_->Now(),
                  .kind = SimEvent::Kind::kConnected,
                  .from = host_,
                  .to = attempt->peer_host,
                  .connection = attempt->id,
                  .reason = {}});
  Answer(attempt, absl::OkStatus());
}

void Node::Answer(const AttemptPtr& attempt, const absl::Status& refusal) {
  executor_->PostAt(executor_->Now() + DelayTo(attempt->peer_host), [this, attempt, refusal] {
    if (attempt->done) OnAnswer(attempt, refusal);
  });
}

void Node::OnAnswer(const AttemptPtr& attempt, const absl::Status& refusal) {
  if (crashed_) return;
  if (network_->Partitioned(host_, attempt->peer_host)) {
    executor_->PostAt(executor_->Now() + kRequestAgain, [this, attempt, refusal] {
      if (attempt->done) Answer(attempt, refusal);
    });
    return;
  }
  if (refusal.ok()) {
    Finish(attempt, std::shared_ptr<Connection>(attempt->client));
    return;
  }
  network_->Tell({.at = executor_->Now(),
                  .kind = SimEvent::Kind::kRefused,
                  .from = host_,
                  .to = attempt->peer_host,
                  .reason = std::string(refusal.message())});
  Finish(attempt, refusal);
}

void Node::Finish(const AttemptPtr& attempt, absl::StatusOr<std::shared_ptr<Connection>> result) {
  executor_->Cancel(attempt->deadline_timer);
  attempts_.erase(attempt->id);
  const std::shared_ptr<SimConnection> client = std::move(attempt->client);
  std::shared_ptr<Receiver> receiver = std::move(attempt->receiver);
  ConnectDone done = std::exchange(attempt->done, nullptr);
  if (result.ok() && client->closed()) {  // it broke while the answer was on its way
    result = absl::UnavailableError("the connection broke");
  }
  if (result.ok()) {
    std::move(done)(std::move(result));
    client->Open(std::move(receiver));
    return;
  }
  receiver.reset();
  if (client != nullptr) client->CloseNow(result.status());
  std::move(done)(std::move(result));
}

std::shared_ptr<SimConnection> Node::NewEnd(uint64_t id, bool is_server, const std::string& host,
                                            const std::string& peer_host, const std::string& local,
                                            const std::string& peer) {
  SimConnection::Identity identity;
  identity.id = id;
  identity.is_server = is_server;
  identity.owner = this;
  identity.host = host;
  identity.peer_host = peer_host;
  identity.info.transport = "sim";
  identity.info.local = local;
  identity.info.peer = peer;
  identity.info.details["one_sided"] = "missing: a simulated host has no memory of its own to read";
  return std::make_shared<SimConnection>(network_, executor_, std::move(identity));
}

void Node::Stop() {
  if (std::exchange(stopped_, true)) return;
  network_->StopListeningOf(this);
  while (!attempts_.empty()) {
    const AttemptPtr attempt = attempts_.begin()->second;
    Finish(attempt, Stopped());
  }
  network_->CloseEndsOf(this, Stopped());
}

namespace {

absl::StatusOr<std::unique_ptr<Transport>> NewNode(std::shared_ptr<Network> network,
                                                   const std::string& host,
                                                   const TransportContext& context) {
  if (!context.executor->in_virtual_time()) {
    return absl::UnavailableError(
        "sim runs in virtual time only; give the Runtime a SimExecutor, or use another transport");
  }
  return std::make_unique<Node>(std::move(network), host, context.executor);
}

}  // namespace

TransportEntry Entry() {
  TransportEntry entry;
  entry.name = "sim";
  entry.schemes = {"sim"};
  entry.probe = [] { return Info(); };
  entry.create = [](const TransportContext& context) {
    return NewNode(std::make_shared<Network>(/*seed=*/0, SimLink()), kOwnHost, context);
  };
  return entry;
}

}  // namespace sim

TransportEntry SimTransportEntry(SimNetwork* network, std::string host_name) {
  TransportEntry entry = sim::Entry();
  entry.create = [shared = network->network_, host_name](const TransportContext& context) {
    return sim::NewNode(shared, host_name, context);
  };
  return entry;
}

}  // namespace tideway
