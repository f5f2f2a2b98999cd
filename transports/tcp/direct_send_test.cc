// Small messages that the thread that sends them writes by itself: on an idle connection, and never past another message.

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"
#include "tests/conformance/transport_probe.h"
#include "transports/tcp/raw_client.h"

namespace tideway::tcp {

TransportEntry Entry();

namespace {

using testing::Calling;
using testing::Completion;
using testing::Peer;
using testing::World;

// A raw client, and our end of its connection, whose progress thread stands still until Go.
class TcpDirectSend : public ::testing::Test {
 protected:
  void SetUp() override { Begin(""); }
  void TearDown() override {
    client_->Close();
    EXPECT_TRUE(world_.Await([&] { return peer_->close_reason.has_value(); }));
  }

  // `behind` arrives along with the message whose completion holds the thread.
  void Begin(const std::string& behind) {
    listener_ = *world_.server().Listen(
        *Uri::Parse("tcp://127.0.0.1:0"), [this](std::shared_ptr<Connection> connection) {
          connection_ = std::move(connection);
          peer_ = std::make_shared<Peer>(world_, world_.server_rule());
          peer_->on_landed = [this](const std::string&, const std::string&) {
            held_.Notify();
            go_.WaitForNotification();
          };
          return peer_;
        });
    client_ = std::make_unique<RawClient>(listener_->address());
    client_->Write(Frame("h", "p") + behind);
    held_.WaitForNotification();
  }

  void Go() { go_.Notify(); }
  int Fired(const std::shared_ptr<Completion>& completion) {
    absl::MutexLock lock(&world_.mutex());
    return completion->fired;
  }

  World world_{Entry()};
  std::unique_ptr<Listener> listener_;
  std::shared_ptr<Connection> connection_;
  std::shared_ptr<Peer> peer_;
  std::unique_ptr<RawClient> client_;
  absl::Notification held_;
  absl::Notification go_;
};

TEST_F(TcpDirectSend, ASmallMessageIsOutWhenSendReturnsAndItsDoneComesFromTheProgressThread) {
  auto done = peer_->Send(*connection_, "small", "message", world_.Soon());
  EXPECT_EQ(client_->Read(Frame("small", "message").size()), Frame("small", "message"));
  EXPECT_EQ(Fired(done), 0);
  Go();
  ASSERT_TRUE(world_.AwaitFired(done));
  EXPECT_TRUE(done->status.ok()) << done->status;
}

TEST_F(TcpDirectSend, WhatIsSentBehindItStaysBehindItWhoeverWritesIt) {
  std::string expected;
  std::vector<std::shared_ptr<Completion>> sent;
  for (int i = 0; i < 20; ++i) {
    const std::string header = absl::StrCat("h", i);
    const std::string payload(i % 5 == 4 ? size_t{1} << 20 : 10, static_cast<char>('a' + i));
    sent.push_back(peer_->Send(*connection_, header, payload, world_.Soon()));
    expected += Frame(header, payload);
  }
  Go();
  EXPECT_TRUE(client_->Read(expected.size()) == expected);
  for (const auto& done : sent) EXPECT_TRUE(world_.AwaitFired(done));
}

TEST_F(TcpDirectSend, CloseRightBehindItLosesNoCompletion) {
  auto done = peer_->Send(*connection_, "small", "message", world_.Soon());
  Calling([&] { connection_->Close(absl::AbortedError("enough")); });
  Go();
  EXPECT_TRUE(world_.AwaitFired(done));
}

TEST_F(TcpDirectSend, AFullSocketTakesAPartAndTheRestFollowsInOrder) {
  // One after the other, each alone on its connection, until the kernel takes no more: nobody reads.
  Go();
  std::string expected;
  std::vector<std::shared_ptr<Completion>> sent;
  while (expected.size() < (size_t{8} << 20)) {
    const std::string payload(30'000, static_cast<char>('a' + sent.size() % 26));
    sent.push_back(peer_->Send(*connection_, "h", payload, world_.Soon()));
    expected += Frame("h", payload);
  }
  EXPECT_TRUE(client_->Read(expected.size()) == expected);
  for (const auto& done : sent) EXPECT_TRUE(world_.AwaitFired(done));
}

class TcpDirectSendBeforeGarbage : public TcpDirectSend {
 protected:
  void SetUp() override { Begin("garbage"); }
};

TEST_F(TcpDirectSendBeforeGarbage,
       ItFailsWithTheConnectionThatEndsBeforeTheProgressThreadKnowsOfIt) {
  auto done = peer_->Send(*connection_, "small", "message", world_.Soon());
  Go();
  ASSERT_TRUE(world_.AwaitFired(done));
  EXPECT_EQ(done->status.code(), absl::StatusCode::kInvalidArgument) << done->status;
}

}  // namespace
}  // namespace tideway::tcp
