// Many connections, one after the other and at once.

#include <dirent.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/conformance/transport_fixture.h"

#define XXH_INLINE_ALL
#include "xxhash.h"

namespace tideway::testing {
namespace {

size_t OpenDescriptors() {
  size_t count = 0;
  DIR* folder = opendir("/proc/self/fd");
  while (readdir(folder) != nullptr) ++count;
  closedir(folder);
  return count;
}

TEST_P(Transports, AThousandConnectsAndClosesLeaveNothingBehind) {
  std::vector<std::weak_ptr<void>> remains;
  int server_ends = 0;
  auto listener = world_->server().Listen(Address(), [&](std::shared_ptr<Connection> connection) {
    auto peer = std::make_shared<Peer>(*world_, world_->server_rule());
    peer->on_closed = [&](const absl::Status&) {
      absl::MutexLock lock(&world_->mutex());
      ++server_ends;
    };
    absl::MutexLock lock(&world_->mutex());
    remains.push_back(connection);
    remains.push_back(peer);
    return peer;
  });
  ASSERT_TRUE(listener.ok()) << listener.status();
  size_t descriptors = 0;
  constexpr int kConnects = 1000;
  for (int i = 0; i < kConnects; ++i) {
    auto peer = std::make_shared<Peer>(*world_, world_->client_rule());
    auto [completion, connection] = Connect((*listener)->address(), peer);
    ASSERT_TRUE(StatusOf(completion).ok()) << "connect " << i << ": " << completion->status;
    {
      absl::MutexLock lock(&world_->mutex());
      remains.push_back(*connection);
      remains.push_back(peer);
    }
    (*connection)->Close(absl::CancelledError("next"));
    ExpectCloses(*peer);
    if (i == 10) descriptors = OpenDescriptors();
  }
  ASSERT_TRUE(world_->Await([&] { return server_ends == kConnects; }));
  EXPECT_LE(OpenDescriptors(), descriptors + 4) << "file descriptors leak";
  world_->client().Stop();
  world_->server().Stop();
  const auto alive = std::count_if(remains.begin(), remains.end(),
                                   [](const auto& thing) { return !thing.expired(); });
  EXPECT_EQ(remains.size(), 4u * kConnects);
  EXPECT_EQ(alive, 0) << "connections or receivers outlive their end";
}

TEST_P(Transports, ManyConnectionsAtOnceMixNothingUp) {
  constexpr uint64_t kSeed = 20240607;
  constexpr size_t kConnections = 24;
  constexpr size_t kMessages = 60;
  SCOPED_TRACE(absl::StrCat("seed ", kSeed));
  std::atomic<int> wrong = 0;
  std::vector<std::shared_ptr<Peer>> servers;
  auto listener = world_->server().Listen(Address(), [&](std::shared_ptr<Connection>) {
    auto peer = std::make_shared<Peer>(*world_, world_->server_rule());
    peer->keep = false;
    peer->on_landed = [&wrong](const std::string& header, const std::string& payload) {
      wrong += header != absl::StrCat(XXH3_64bits(payload.data(), payload.size()));
    };
    absl::MutexLock lock(&world_->mutex());
    servers.push_back(peer);
    return peer;
  });
  ASSERT_TRUE(listener.ok()) << listener.status();
  std::vector<std::pair<std::shared_ptr<Completion>, Slot>> connections;
  std::vector<std::shared_ptr<Peer>> clients;
  for (size_t c = 0; c < kConnections; ++c) {
    clients.push_back(std::make_shared<Peer>(*world_, world_->client_rule()));
    connections.push_back(Connect((*listener)->address(), clients.back()));
  }
  for (auto& [completion, connection] : connections) ASSERT_TRUE(StatusOf(completion).ok());
  std::mt19937_64 random(kSeed);
  for (size_t m = 0; m < kMessages; ++m) {
    for (size_t c = 0; c < kConnections; ++c) {
      const std::string payload =
          Pattern(random() % (random() % 8 == 0 ? 200'000 : 5'000), random());
      clients[c]->Send(**connections[c].second,
                       absl::StrCat(XXH3_64bits(payload.data(), payload.size())), payload,
                       world_->Soon());
    }
  }
  EXPECT_TRUE(world_->Await([&] {
    size_t received = 0;
    for (const auto& server : servers) received += server->received_count;
    return received == kConnections * kMessages;
  }));
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace tideway::testing
