#include "tests/conformance/transport_fixture.h"

#include <algorithm>
#include <cstring>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace tideway::testing {

std::vector<struct sigaction>& SignalHandlersAtStart() {
  static std::vector<struct sigaction> handlers;
  return handlers;
}

SuiteFlags& Flags() {
  static SuiteFlags flags;
  return flags;
}

std::vector<std::string> MustRunProviders() {
  return absl::StrSplit(TIDEWAY_MUST_RUN_PROVIDERS, absl::ByAnyChar(",; "), absl::SkipEmpty());
}

void PrintTo(const Subject& subject, std::ostream* out) { *out << subject.name; }

std::string Pattern(size_t bytes, uint64_t seed) {
  // Beyond the first block, blocks differ in their first word only: random numbers are dear under a sanitizer.
  constexpr size_t kBlock = size_t{64} << 10;
  std::mt19937_64 random(seed);
  std::string text(bytes, '\0');
  for (size_t i = 0; i < std::min(bytes, kBlock); i += 8) {
    const uint64_t word = random();
    std::memcpy(&text[i], &word, std::min<size_t>(8, bytes - i));
  }
  for (size_t i = kBlock; i < bytes; i += kBlock) {
    std::memcpy(&text[i], text.data(), std::min(kBlock, bytes - i));
    const uint64_t word = random();
    std::memcpy(&text[i], &word, std::min<size_t>(8, bytes - i));
  }
  return text;
}

void Transports::SetUp() {
  const TransportEntry entry = GetParam().entry();
  info_ = entry.probe();
  provider_ = GetParam().provider;
  if (!provider_.viable) {
    const std::vector<std::string> must_run = MustRunProviders();
    if (std::find(must_run.begin(), must_run.end(), provider_.name) != must_run.end()) {
      FAIL() << provider_.name
             << " must run here, but is unavailable: " << provider_.unavailable_reason;
    }
    GTEST_SKIP() << provider_.name << " is unavailable: " << provider_.unavailable_reason;
  }
  world_ = std::make_unique<World>(entry);
}

Uri Transports::Address(const std::string& rest) const {
  Uri uri = *Uri::Parse(absl::StrCat(provider_.scheme, "://", rest));
  uri.params.insert(provider_.params.begin(), provider_.params.end());
  return uri;
}

Pair Transports::Connected(const std::function<void(Peer& client, Peer& server)>& shape) {
  Pair pair;
  pair.client = std::make_shared<Peer>(*world_, world_->client_rule());
  pair.server = std::make_shared<Peer>(*world_, world_->server_rule());
  if (shape) shape(*pair.client, *pair.server);
  auto accepted = world_->NewCompletion();
  auto listener = Calling([&] {
    return world_->server().Listen(Address(), [&, accepted](std::shared_ptr<Connection> c) {
      InCallback in_callback(world_->server_rule());
      absl::MutexLock lock(&world_->mutex());
      accepted->fired = 1;
      pair.to_client = std::move(c);
      return pair.server;
    });
  });
  EXPECT_TRUE(listener.ok()) << listener.status();
  if (!listener.ok()) return pair;
  auto [completion, connection] = Connect((*listener)->address(), pair.client);
  EXPECT_TRUE(world_->AwaitFired(completion));
  EXPECT_TRUE(completion->status.ok()) << completion->status;
  EXPECT_TRUE(world_->AwaitFired(accepted));
  pair.to_server = *connection;
  return pair;
}

std::pair<std::shared_ptr<Completion>, Transports::Slot> Transports::Connect(
    const Uri& uri, std::shared_ptr<Receiver> receiver, absl::Time deadline, Transport& from) {
  auto completion = world_->NewCompletion();
  auto slot = std::make_shared<std::shared_ptr<Connection>>();
  CallbackRule& rule = &from == &world_->client() ? world_->client_rule() : world_->server_rule();
  Calling([&] {
    from.Connect(
        uri, deadline, std::move(receiver),
        [this, completion, slot, &rule](absl::StatusOr<std::shared_ptr<Connection>> connection) {
          InCallback in_callback(rule);
          absl::MutexLock lock(&world_->mutex());
          EXPECT_EQ(++completion->fired, 1) << "ConnectDone fired twice";
          completion->status = connection.status();
          if (connection.ok()) *slot = *std::move(connection);
        });
  });
  return {completion, slot};
}

absl::Status Transports::StatusOf(const std::shared_ptr<Completion>& completion) {
  EXPECT_TRUE(world_->AwaitFired(completion)) << "a completion did not come";
  absl::MutexLock lock(&world_->mutex());
  return completion->status;
}

absl::Status Transports::AwaitClosed(Peer& peer) {
  EXPECT_TRUE(world_->Await([&] { return peer.close_reason.has_value(); }))
      << "OnClosed did not come";
  absl::MutexLock lock(&world_->mutex());
  return peer.close_reason.value_or(absl::UnknownError("OnClosed did not come"));
}

}  // namespace tideway::testing
