// What a message is, and that it arrives: whole, in order, in any number of parts, within the limits.

#include <atomic>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/conformance/transport_fixture.h"

namespace tideway::testing {
namespace {

TEST_P(Transports, AMessageArrivesWithItsHeaderAndPayloadInBothDirections) {
  Pair pair = Connected();
  const std::string payload = Pattern(100'000, 1);
  pair.client->Send(*pair.to_server, "ask", payload, world_->Soon());
  ASSERT_TRUE(AwaitReceived(*pair.server, 1));
  EXPECT_EQ(pair.server->received[0].header, "ask");
  EXPECT_EQ(pair.server->received[0].payload, payload);
  pair.server->Send(*pair.to_client, "answer", "42", world_->Soon());
  ASSERT_TRUE(AwaitReceived(*pair.client, 1));
  EXPECT_EQ(pair.client->received[0].header, "answer");
  EXPECT_EQ(pair.client->received[0].payload, "42");
}

TEST_P(Transports, MessagesArriveInTheOrderOfSendingWhateverTheirSizes) {
  std::vector<std::string> order;
  Pair pair = Connected([&](Peer&, Peer& server) {
    server.on_message = [&](const std::string& header, size_t) {
      absl::MutexLock lock(&world_->mutex());
      order.push_back(header);
      return absl::OkStatus();
    };
  });
  std::mt19937_64 random(2);
  constexpr size_t kMessages = 400;
  std::map<std::string, std::string> payloads;
  for (size_t i = 0; i < kMessages; ++i) {
    const size_t bytes = random() % (random() % 10 == 0 ? 300'000 : 300);
    const std::string header = absl::StrCat("message ", i);
    payloads[header] = Pattern(bytes, i);
    pair.client->Send(*pair.to_server, header, payloads[header], world_->Soon());
  }
  ASSERT_TRUE(AwaitReceived(*pair.server, kMessages));
  ASSERT_EQ(order.size(), kMessages);
  for (size_t i = 0; i < kMessages; ++i) ASSERT_EQ(order[i], absl::StrCat("message ", i));
  // Payloads may land in another order.
  for (const Received& message : pair.server->received)
    ASSERT_TRUE(message.payload == payloads[message.header]) << message.header;
}

TEST_P(Transports, AHeaderMayComeWithoutPayloadAndAPayloadWithoutHeader) {
  Pair pair = Connected();
  pair.client->Send(*pair.to_server, "only a header", "", world_->Soon());
  pair.client->Send(*pair.to_server, "", "only a payload", world_->Soon());
  pair.client->Send(*pair.to_server, std::string(kMessageHeaderBytesMax, 'h'), "x", world_->Soon());
  ASSERT_TRUE(AwaitReceived(*pair.server, 3));
  EXPECT_EQ(pair.server->received[0].header, "only a header");
  EXPECT_EQ(pair.server->received[0].payload, "");
  EXPECT_EQ(pair.server->received[1].header, "");
  EXPECT_EQ(pair.server->received[1].payload, "only a payload");
  EXPECT_EQ(pair.server->received[2].header.size(), kMessageHeaderBytesMax);
}

TEST_P(Transports, AMessageOfMaximumSizeArrivesWhole) {
  Pair pair = Connected();
  const std::string payload = Pattern(kMessagePayloadBytesMax, 3);
  auto sent = pair.client->Send(*pair.to_server, "big", payload, world_->Soon());
  ASSERT_TRUE(AwaitReceived(*pair.server, 1));
  EXPECT_TRUE(pair.server->received[0].payload == payload);
  EXPECT_TRUE(StatusOf(sent).ok());
}

TEST_P(Transports, APayloadInAsManyPartsAsAllowedArrivesInOnePiece) {
  Pair pair = Connected();
  std::vector<std::string> parts;
  std::string whole;
  for (size_t i = 0; i < kGatherPartsMax; ++i) {
    parts.push_back(Pattern(i == 3 ? 0 : 1000 * i + 1, i));  // one of them is empty
    whole += parts.back();
  }
  Message message;
  const std::string header = "parts";
  message.header = Peer::Bytes(header);
  for (const std::string& part : parts) message.payload.push_back(Peer::Bytes(part));
  auto sent = world_->NewCompletion();
  Calling([&] {
    pair.to_server->Send(message, world_->Soon(), world_->Watched(sent, world_->client_rule()));
  });
  ASSERT_TRUE(AwaitReceived(*pair.server, 1));
  EXPECT_TRUE(pair.server->received[0].payload == whole);
  EXPECT_TRUE(StatusOf(sent).ok());
}

TEST_P(Transports, WhatIsOverALimitIsRefusedAndLeavesTheConnectionAsItWas) {
  Pair pair = Connected();
  const auto refused = [&](Message message) {
    auto sent = world_->NewCompletion();
    Calling([&] {
      pair.to_server->Send(message, world_->Soon(), world_->Watched(sent, world_->client_rule()));
    });
    return StatusOf(sent).code();
  };
  const std::string header(kMessageHeaderBytesMax + 1, 'h');
  const std::string half(kMessagePayloadBytesMax / 2 + 1, 'p');
  Message message;
  message.header = Peer::Bytes(header);
  EXPECT_EQ(refused(message), absl::StatusCode::kResourceExhausted);
  message.header = {};
  message.payload = {Peer::Bytes(half), Peer::Bytes(half)};
  EXPECT_EQ(refused(message), absl::StatusCode::kResourceExhausted);
  message.payload.clear();
  EXPECT_EQ(refused(message), absl::StatusCode::kInvalidArgument);
  for (size_t i = 0; i < kGatherPartsMax + 1; ++i)
    message.payload.push_back(Peer::Bytes(header).first(1));
  EXPECT_EQ(refused(message), absl::StatusCode::kInvalidArgument);
  pair.client->Send(*pair.to_server, "still there", "", world_->Soon());
  ASSERT_TRUE(AwaitReceived(*pair.server, 1));
  EXPECT_EQ(pair.server->received[0].header, "still there");
}

TEST_P(Transports, TheSendersBufferIsUntouchedUntilDoneAndFreeFromThenOn) {
  Pair pair = Connected([](Peer&, Peer& server) { server.keep = false; });
  std::atomic<int> wrong = 0;
  const std::string expected = Pattern(50'000, 5);
  pair.server->on_landed = [&](const std::string&, const std::string& payload) {
    wrong += payload != expected;
  };
  constexpr int kMessages = 200;
  for (int i = 0; i < kMessages; ++i) {
    auto content = std::make_shared<std::string>(expected);
    Message message;
    message.payload.push_back(Peer::Bytes(*content));
    auto sent = world_->NewCompletion();
    Calling([&] {
      pair.to_server->Send(
          message, world_->Soon(),
          world_->Watched(sent, world_->client_rule(), [&, content](const absl::Status&) {
            wrong += *content != expected;
            content->assign(content->size(), '!');
          }));
    });
  }
  ASSERT_TRUE(AwaitReceived(*pair.server, kMessages));
  world_->ExpectAllFired();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace tideway::testing
