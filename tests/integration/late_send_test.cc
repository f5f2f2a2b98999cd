// A send that raced with the end of its connection: the transport completes it after OnClosed. The client must be there until then.

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"
#include "tests/fault/builtin_entry.h"
#include "tests/integration/cluster.h"

namespace tideway {
namespace {

// What the test and its transport share.
struct Race {
  absl::Mutex mutex;
  bool armed = false;             // the next send is the one
  Done late;                      // of that send, not completed
  absl::Notification begun;       // `late` is there, and the connection is closed
  bool refuses = false;           // nobody connects any more
  std::shared_ptr<Receiver> end;  // the client's
};

// Hands on until its connection is closed.
class RacingReceiver final : public Receiver {
 public:
  explicit RacingReceiver(std::shared_ptr<Receiver> inner) : inner_(std::move(inner)) {}

  absl::StatusOr<Landing> OnMessage(absl::Span<const std::byte> header,
                                    size_t payload_bytes) override {
    absl::MutexLock lock(&mutex_);
    if (inner_ == nullptr) return absl::CancelledError("closed");
    return inner_->OnMessage(header, payload_bytes);
  }
  void OnClosed(const absl::Status& reason) override {
    std::shared_ptr<Receiver> inner;
    {
      absl::MutexLock lock(&mutex_);
      inner.swap(inner_);
    }
    if (inner != nullptr) inner->OnClosed(reason);
  }

 private:
  absl::Mutex mutex_;
  std::shared_ptr<Receiver> inner_;
};

class RacingConnection final : public Connection {
 public:
  RacingConnection(std::shared_ptr<Connection> inner, std::shared_ptr<Race> race)
      : inner_(std::move(inner)), race_(std::move(race)) {}

  void Send(Message message, absl::Time deadline, Done done) override {
    {
      absl::MutexLock lock(&race_->mutex);
      if (std::exchange(race_->armed, false)) {
        race_->late = std::move(done);
        race_->refuses = true;
        done = nullptr;
      }
    }
    if (done != nullptr) {
      inner_->Send(std::move(message), deadline, std::move(done));
      return;
    }
    // The transport's thread had closed the connection a moment before this call.
    std::thread([race = race_] {
      race->end->OnClosed(absl::UnavailableError("it was cut"));
    }).join();
    inner_->Close(absl::CancelledError("it was cut"));
    race_->begun.Notify();
  }
  void Close(absl::Status reason) override { inner_->Close(std::move(reason)); }
  ConnectionInfo info() const override { return inner_->info(); }

 private:
  const std::shared_ptr<Connection> inner_;
  const std::shared_ptr<Race> race_;
};

// racing://NAME is inproc://NAME.
class RacingTransport final : public Transport {
 public:
  RacingTransport(std::unique_ptr<Transport> inner, std::shared_ptr<Race> race)
      : inner_(std::move(inner)), race_(std::move(race)) {}
  ~RacingTransport() override { RacingTransport::Stop(); }

  const TransportInfo& info() const override { return inner_->info(); }
  absl::StatusOr<std::unique_ptr<Listener>> Listen(const Uri& uri, AcceptHandler accept) override {
    return inner_->Listen(Inner(uri), std::move(accept));
  }
  void Connect(const Uri& uri, absl::Time deadline, std::shared_ptr<Receiver> receiver,
               ConnectDone done) override {
    Uri to = Inner(uri);
    {
      absl::MutexLock lock(&race_->mutex);
      if (race_->refuses) to.host = "nobody";
      race_->end = std::make_shared<RacingReceiver>(std::move(receiver));
    }
    inner_->Connect(to, deadline, race_->end,
                    [race = race_, done = std::move(done)](
                        absl::StatusOr<std::shared_ptr<Connection>> connection) mutable {
                      if (connection.ok())
                        *connection = std::make_shared<RacingConnection>(*connection, race);
                      std::move(done)(std::move(connection));
                    });
  }
  void Stop() override { inner_->Stop(); }

 private:
  static Uri Inner(Uri uri) {
    uri.scheme = "inproc";
    return uri;
  }

  const std::unique_ptr<Transport> inner_;
  const std::shared_ptr<Race> race_;
};

TransportEntry RacingEntry(std::shared_ptr<Race> race) {
  TransportEntry entry;
  entry.name = "racing";
  entry.schemes = {"racing"};
  entry.probe = [] {
    TransportInfo info = testing::BuiltinEntry("inproc").probe();
    info.name = "racing";
    info.schemes = {"racing"};
    return info;
  };
  entry.create =
      [race](const TransportContext& context) -> absl::StatusOr<std::unique_ptr<Transport>> {
    auto inner = testing::BuiltinEntry("inproc").create(context);
    if (!inner.ok()) return inner.status();
    return std::make_unique<RacingTransport>(*std::move(inner), race);
  };
  return entry;
}

TEST(LateSend, AClientLivesUntilTheTransportHasCompletedItsLastSend) {
  const Layout layout = *Layout::Create({{"w", {1000}}}, {});
  const auto race = std::make_shared<Race>();
  RuntimeOptions options;
  options.transports = BuiltinTransports();
  ASSERT_TRUE(options.transports.Add(RacingEntry(race)).ok());
  options.codecs = BuiltinCodecs();
  Runtime runtime(std::move(options));
  auto server = Server::Start(&runtime, {.listen = {"racing://server"}}, layout,
                              std::vector<float>(1000, 0.0f));
  ASSERT_TRUE(server.ok()) << server.status();
  auto client =
      Client::Create(&runtime, {.servers = {"racing://server"}, .worker = "anna"}, layout);
  ASSERT_TRUE(client.ok()) << client.status();
  ASSERT_TRUE(
      Await([&](auto done) { (*client)->Join(testing::Soon(runtime), std::move(done)); }).ok());
  {
    absl::MutexLock lock(&race->mutex);
    race->armed = true;
  }
  const std::vector<float> delta(1000, 1.0f);
  (*client)->Push(delta, {}, testing::Soon(runtime), [](absl::StatusOr<PushReport>) {});
  race->begun.WaitForNotification();

  absl::Notification gone;
  std::thread closing([&] {
    client->reset();
    gone.Notify();
  });
  EXPECT_FALSE(gone.WaitForNotificationWithTimeout(absl::Milliseconds(200)))
      << "the client is gone, and the transport still has a completion that uses it";
  std::move(race->late)(absl::CancelledError("it was cut"));
  race->late = nullptr;
  closing.join();
  race->end.reset();
}

}  // namespace
}  // namespace tideway
