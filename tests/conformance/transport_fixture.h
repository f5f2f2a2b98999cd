// What every transport promises (tideway/transport.h), asked of each provider of each registered one. The tests lie in
// transport_*_test.cc beside this file, by subject; they share this fixture and make up one program.
//
// A provider takes part by its transport's line in transports/CMakeLists.txt and by serving
// `scheme://127.0.0.1:0?params`. What it can't do it says in its TransportInfo or ProviderInfo, and the test in question
// is skipped with that reason; except where TIDEWAY_MUST_RUN_PROVIDERS (CMake) names it: then being unavailable fails.

#ifndef TIDEWAY_TESTS_CONFORMANCE_TRANSPORT_FIXTURE_H_
#define TIDEWAY_TESTS_CONFORMANCE_TRANSPORT_FIXTURE_H_

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "tests/conformance/transport_probe.h"
#include "tideway/transport.h"
#include "tideway/uri.h"
#include "transports/common/signal_handlers.h"

namespace tideway::testing {

// One provider under test. A decorator (faults, for instance) becomes a subject by wrapping `entry`.
struct Subject {
  std::string name;  // as gtest wants it: letters, digits, '_'
  ProviderInfo provider;
  std::function<TransportEntry()> entry;
};

std::vector<Subject> Subjects();

// What the program was told before its tests began.
struct SuiteFlags {
  // Where the tests listen. An adapter that does not serve the loopback address needs its own.
  std::string host = "127.0.0.1";
  // Addresses whose scheme and parameters are subjects too, beside the listed providers.
  std::vector<Uri> also;
};
SuiteFlags& Flags();

// How this process took signals before any transport was asked for anything.
std::vector<struct sigaction>& SignalHandlersAtStart();

// The providers that this build promises to run.
std::vector<std::string> MustRunProviders();

void PrintTo(const Subject& subject, std::ostream* out);

// Bytes that look random, so that whatever is lost, doubled or moved shows.
std::string Pattern(size_t bytes, uint64_t seed);

// A connection seen from both of its ends.
struct Pair {
  std::shared_ptr<Peer> client;
  std::shared_ptr<Connection> to_server;
  std::shared_ptr<Peer> server;
  std::shared_ptr<Connection> to_client;
};

class Transports : public ::testing::TestWithParam<Subject> {
 protected:
  using Slot = std::shared_ptr<std::shared_ptr<Connection>>;

  void SetUp() override;

  // An address of the provider under test. Parameters in `rest` come on top of the provider's own.
  Uri Address(const std::string& rest = Flags().host + ":0") const;

  // Listens and connects once. `shape` prepares each end before anything can arrive.
  Pair Connected(const std::function<void(Peer& client, Peer& server)>& shape = nullptr);

  std::pair<std::shared_ptr<Completion>, Slot> Connect(const Uri& uri,
                                                       std::shared_ptr<Receiver> receiver,
                                                       absl::Time deadline, Transport& from);
  std::pair<std::shared_ptr<Completion>, Slot> Connect(const Uri& uri,
                                                       std::shared_ptr<Receiver> receiver) {
    return Connect(uri, std::move(receiver), world_->Soon(), world_->client());
  }

  absl::Status StatusOf(const std::shared_ptr<Completion>& completion);
  absl::Status AwaitClosed(Peer& peer);
  void ExpectCloses(Peer& peer) { EXPECT_FALSE(AwaitClosed(peer).ok()); }
  bool AwaitReceived(Peer& peer, size_t count) {
    return world_->Await([&] { return peer.received_count >= count; });
  }

  TransportInfo info_;
  ProviderInfo provider_;
  std::unique_ptr<World> world_;
};

// Holds a progress thread inside OnMessage. In virtual time nobody has to be held: nothing moves by itself.
class Gate {
 public:
  explicit Gate(World& world) : world_(world) {}
  void Wait() {
    if (world_.sim() != nullptr) return;
    entered_.Notify();
    EXPECT_TRUE(open_.WaitForNotificationWithTimeout(kPatience));
  }
  void AwaitEntered() {
    if (world_.sim() != nullptr) return;
    EXPECT_TRUE(entered_.WaitForNotificationWithTimeout(kPatience));
  }
  void Open() { open_.Notify(); }
  // Opens it at `when`, while the test's thread waits for something else.
  void OpenAt(absl::Time when) {
    if (world_.sim() == nullptr) world_.executor().PostAt(when, [this] { Open(); });
  }

 private:
  World& world_;
  absl::Notification entered_;
  absl::Notification open_;
};

}  // namespace tideway::testing

#endif  // TIDEWAY_TESTS_CONFORMANCE_TRANSPORT_FIXTURE_H_
