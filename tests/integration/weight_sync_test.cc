// A publisher and its subscribers over real transports, in one process; each end has a Runtime of its own, so that nothing is shared
// but the wire (over inproc they share one: that is how inproc peers meet).

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/sync/weights_testing.h"
#include "core/wire/weight_frames.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/cluster.h"
#include "tideway/blocking.h"
#include "tideway/publisher.h"
#include "tideway/subscriber.h"

namespace tideway::testing {
namespace {

using sync::TestModel;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

std::vector<WeightView> ViewsOf(const TestModel& model) {
  std::vector<WeightView> views;
  for (size_t i = 0; i < model.tensors.size(); ++i) {
    const WeightSpec& spec = model.layout.tensors()[i];
    views.push_back({spec.name, spec.type, spec.shape, model.tensors[i].data()});
  }
  return views;
}

class WeightSync : public ::testing::TestWithParam<std::string> {
 protected:
  WeightSync() : model_(sync::SmallWeights()) {
    model_.Fill(random_);
    StartPublisher({});
  }

  static bool Inproc() { return GetParam() == "inproc"; }
  std::string Address() const {
    return Inproc() ? absl::StrCat("inproc://publisher-", ++addresses_) : "tcp://127.0.0.1:0";
  }
  Runtime* NewEnd() {
    if (Inproc() && !runtimes_.empty()) return runtimes_[0].get();
    runtimes_.push_back(NewRuntime());
    return runtimes_.back().get();
  }

  void StartPublisher(PublisherOptions options, const std::string& address = "") {
    options.listen = {address.empty() ? Address() : address};
    options.chunk_bytes = 64;
    publisher_.reset();
    auto publisher = Publisher::Start(NewEnd(), options, model_.layout);
    ASSERT_TRUE(publisher.ok()) << publisher.status();
    publisher_ = *std::move(publisher);
  }

  std::unique_ptr<Subscriber> Subscribe(SubscriberOptions options = {}) {
    return SubscribeTo(model_.layout, std::move(options));
  }
  std::unique_ptr<Subscriber> SubscribeTo(const WeightLayout& layout, SubscriberOptions options) {
    if (options.publisher.empty()) options.publisher = publisher_->addresses()[0];
    auto subscriber = Subscriber::Start(NewEnd(), options, layout);
    EXPECT_TRUE(subscriber.ok()) << subscriber.status();
    return *std::move(subscriber);
  }

  WeightVersionId Publish(uint64_t version, double share = 0.02) {
    model_.Change(share, random_);
    const auto report = publisher_->Publish(version, ViewsOf(model_));
    EXPECT_TRUE(report.ok()) << report.status();
    return report->id;
  }

  absl::StatusOr<WeightsPtr> Newer(Subscriber& subscriber, WeightVersionId than = {},
                                   absl::Duration patience = absl::Seconds(60)) {
    return AwaitResult<WeightsPtr>([&](auto done) {
      subscriber.WhenNewer(than, runtimes_[0]->executor().Now() + patience, std::move(done));
    });
  }

  // Waits until that version is in use.
  WeightsPtr Reach(Subscriber& subscriber, WeightVersionId id) {
    WeightVersionId seen;
    for (;;) {
      const auto weights = Newer(subscriber, seen);
      EXPECT_TRUE(weights.ok()) << weights.status();
      if (!weights.ok() || (*weights)->id() == id) return weights.value_or(nullptr);
      seen = (*weights)->id();
    }
  }

  static void ExpectEqual(const Weights& weights, const TestModel& model) {
    for (size_t i = 0; i < model.tensors.size(); ++i) {
      EXPECT_EQ(weights.tensor(i), absl::MakeConstSpan(model.tensors[i])) << i;
    }
  }

  static inline int addresses_ = 0;
  std::mt19937_64 random_{7};
  TestModel model_;
  std::vector<std::unique_ptr<Runtime>> runtimes_;
  std::unique_ptr<Publisher> publisher_;
};

TEST_P(WeightSync, EveryVersionArrivesBitForBit) {
  const auto subscriber = Subscribe();
  EXPECT_EQ(subscriber->current(), nullptr);
  for (uint64_t version = 1; version <= 20; ++version) {
    const WeightsPtr weights = Reach(*subscriber, Publish(version));
    ASSERT_NE(weights, nullptr);
    ExpectEqual(*weights, model_);
    EXPECT_EQ(subscriber->current(), weights);
  }
  const SubscriberStats stats = subscriber->stats();
  EXPECT_TRUE(stats.connected);
  EXPECT_EQ(stats.installs, 20u);
  EXPECT_EQ(stats.wholes, 1u);
  EXPECT_EQ(stats.checksum_errors, 0u);
}

TEST_P(WeightSync, ManySubscribersShareOneEncoding) {
  std::vector<std::unique_ptr<Subscriber>> subscribers;
  for (int i = 0; i < 5; ++i) {
    subscribers.push_back(Subscribe({.name = absl::StrCat("replica-", i)}));
  }
  for (uint64_t version = 1; version <= 5; ++version) {
    const WeightVersionId id = Publish(version);
    for (const auto& subscriber : subscribers) ExpectEqual(*Reach(*subscriber, id), model_);
  }
  const PublisherStats stats = publisher_->stats();
  EXPECT_EQ(stats.versions, 5u);
  EXPECT_EQ(stats.wholes_sent, 5u);
  EXPECT_EQ(stats.chains_sent, 20u);
  EXPECT_THAT(stats.subscribers, SizeIs(5));
  EXPECT_EQ(stats.bytes_sent, 5 * (model_.layout.bytes() + stats.bytes_encoded));
}

TEST_P(WeightSync, WhoComesLateIsSentTheNewestAsTheWhole) {
  for (uint64_t version = 1; version <= 5; ++version) Publish(version);
  const auto subscriber = Subscribe();
  const auto weights = Newer(*subscriber);
  ASSERT_TRUE(weights.ok()) << weights.status();
  EXPECT_EQ((*weights)->id().version, 5u);
  ExpectEqual(**weights, model_);
}

TEST_P(WeightSync, AVersionThatIsHeldDoesNotChange) {
  const auto subscriber = Subscribe();
  const WeightsPtr held = Reach(*subscriber, Publish(1));
  const TestModel then = model_;
  for (uint64_t version = 2; version <= 6; ++version) {
    Reach(*subscriber, Publish(version, 0.5));
    ExpectEqual(*held, then);
  }
}

TEST_P(WeightSync, WhereTheUserHoldsAllCopiesTheNextVersionWaitsForOne) {
  const auto subscriber = Subscribe({.copies_max = 2});
  WeightsPtr held = Reach(*subscriber, Publish(1));
  const WeightVersionId second = Publish(2);
  ASSERT_NE(Reach(*subscriber, second), nullptr);
  const WeightVersionId third = Publish(3);
  const auto waited = Newer(*subscriber, second, absl::Milliseconds(100));
  EXPECT_TRUE(absl::IsDeadlineExceeded(waited.status())) << waited.status();
  EXPECT_GE(subscriber->stats().waits_for_a_copy, 1u);
  held.reset();
  ExpectEqual(*Reach(*subscriber, third), model_);
}

TEST_P(WeightSync, VersionsOutliveTheirSubscriber) {
  auto subscriber = Subscribe();
  const WeightsPtr held = Reach(*subscriber, Publish(1));
  subscriber.reset();
  ExpectEqual(*held, model_);
}

TEST_P(WeightSync, APublisherThatComesBackIsAnotherEpochAndSendsTheWhole) {
  const std::string address = publisher_->addresses()[0];
  const auto subscriber = Subscribe();
  Reach(*subscriber, Publish(1));
  const WeightVersionId before = Publish(2);
  const TestModel then = model_;
  const WeightsPtr held = Reach(*subscriber, before);
  publisher_.reset();
  StartPublisher({}, address);
  // The same number for another model: only the epoch tells them apart.
  Publish(1, 1.0);
  const WeightVersionId after = Publish(2, 0.02);
  EXPECT_NE(after.epoch, before.epoch);
  ExpectEqual(*Reach(*subscriber, after), model_);
  ExpectEqual(*held, then);
  EXPECT_GE(subscriber->stats().connects, 2u);
}

TEST_P(WeightSync, APublisherMayComeBackWithOtherChunks) {
  const std::string address = publisher_->addresses()[0];
  const auto subscriber = Subscribe();
  Reach(*subscriber, Publish(1));
  publisher_.reset();
  auto publisher = Publisher::Start(runtimes_[0].get(), {.listen = {address}, .chunk_bytes = 128},
                                    model_.layout);
  ASSERT_TRUE(publisher.ok()) << publisher.status();
  publisher_ = *std::move(publisher);
  ExpectEqual(*Reach(*subscriber, Publish(1)), model_);
  ExpectEqual(*Reach(*subscriber, Publish(2)), model_);
}

TEST_P(WeightSync, AnotherModelIsRefusedByTheNameOfTheTensor) {
  Publish(1);
  std::vector<WeightSpec> tensors = model_.layout.tensors();
  tensors[1].type = WeightType::kBf16;
  const auto subscriber = SubscribeTo(*WeightLayout::Create(tensors), {});
  const absl::Status status = Newer(*subscriber).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("tensor 'norm' (bf16 [3]) of this subscriber"),
                    HasSubstr("fp32 [3] at the publisher")));
  EXPECT_TRUE(absl::IsFailedPrecondition(Newer(*subscriber).status())) << "it stays so";
  const auto right = Subscribe();
  EXPECT_TRUE(Newer(*right).ok());
}

TEST_P(WeightSync, PublishNamesTheTensorThatDoesNotFit) {
  const auto refusal = [&](const std::vector<WeightView>& views) {
    const absl::Status status = publisher_->Publish(1, views).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return std::string(status.message());
  };
  std::vector<WeightView> views = ViewsOf(model_);
  views[3].type = WeightType::kBf16;
  EXPECT_THAT(refusal(views), AllOf(HasSubstr("tensor 'head' (fp32 [7, 50])"), HasSubstr("bf16")));
  views = ViewsOf(model_);
  views[0].shape = {7, 100};
  EXPECT_THAT(refusal(views), HasSubstr("tensor 'embed'"));
  views = ViewsOf(model_);
  views[2].data = nullptr;
  EXPECT_THAT(refusal(views), HasSubstr("tensor 'scale' (fp16 []) has no data"));
  views = ViewsOf(model_);
  views.pop_back();
  EXPECT_THAT(refusal(views), HasSubstr("tensor 'head'"));
  EXPECT_EQ(publisher_->stats().versions, 0u);
}

TEST_P(WeightSync, AStoppedPublisherPublishesNothing) {
  publisher_->Stop();
  EXPECT_TRUE(absl::IsCancelled(publisher_->Publish(1, ViewsOf(model_)).status()));
}

TEST_P(WeightSync, WhoWaitsIsToldWhyThereIsNoConnection) {
  const std::string address = publisher_->addresses()[0];
  publisher_.reset();
  const auto subscriber = Subscribe({.publisher = address});
  const absl::Status status = Newer(*subscriber, {}, absl::Milliseconds(200)).status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(absl::StrCat("no connection to ", address)));
}

TEST_P(WeightSync, ClosingCancelsWhoWaits) {
  const auto subscriber = Subscribe();
  const absl::Status status = AwaitResult<WeightsPtr>([&](auto done) {
                                subscriber->WhenNewer({}, absl::InfiniteFuture(), std::move(done));
                                subscriber->Close();
                              }).status();
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
}

TEST_P(WeightSync, AParameterServerIsNoPublisher) {
  const auto layout = Layout::Create({{"w", {10}}});
  ASSERT_TRUE(layout.ok());
  auto server = Server::Start(NewEnd(), {.listen = {Address()}}, *layout, std::vector<float>(10));
  ASSERT_TRUE(server.ok()) << server.status();
  const auto subscriber = Subscribe({.publisher = (*server)->addresses()[0]});
  const absl::Status status = Newer(*subscriber).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("give a subscriber the address of a publisher"));
}

// Sends what it is told to, and waits for an answer.
class Stranger final : public Receiver {
 public:
  absl::StatusOr<Landing> OnMessage(absl::Span<const std::byte> header,
                                    size_t payload_bytes) override {
    const auto read = wire::ReadWeightHeader(header, payload_bytes);
    EXPECT_TRUE(read.ok()) << read.status();
    if (read.ok()) answer_.set_value(static_cast<wire::WeightFrameType>(read->type));
    auto buffer = std::make_shared<std::vector<std::byte>>(payload_bytes);
    return Landing{absl::MakeSpan(*buffer), [buffer](const absl::Status&) {}};
  }
  void OnClosed(const absl::Status&) override {}
  wire::WeightFrameType AwaitAnswer() { return answer_.get_future().get(); }

 private:
  std::promise<wire::WeightFrameType> answer_;
};

TEST_P(WeightSync, ABadPeerIsRefusedAndTheOthersGoOn) {
  const auto subscriber = Subscribe();
  Reach(*subscriber, Publish(1));
  const auto frame = [](wire::WeightFrameHeader header) {
    std::vector<std::byte> bytes(wire::kWeightHeaderBytes);
    wire::WriteWeightHeader(header, absl::MakeSpan(bytes));
    return bytes;
  };
  const std::vector<std::vector<std::byte>> bad = {
      std::vector<std::byte>(64, std::byte{0x55}), std::vector<std::byte>(3),
      frame({.type = static_cast<uint8_t>(wire::WeightFrameType::kRequest)}),
      frame({.type = static_cast<uint8_t>(wire::WeightFrameType::kTaken), .count = 9}),
      frame({.type = static_cast<uint8_t>(wire::WeightFrameType::kVersion), .epoch = 1})};
  Runtime* const runtime = NewEnd();
  const auto uri = Uri::Parse(publisher_->addresses()[0]);
  auto transport = runtime->TransportFor(uri->scheme);
  ASSERT_TRUE(transport.ok()) << transport.status();
  for (const auto& bytes : bad) {
    const auto stranger = std::make_shared<Stranger>();
    const auto connection = AwaitResult<std::shared_ptr<Connection>>(
        [&](auto done) { (*transport)->Connect(*uri, Soon(*runtime), stranger, std::move(done)); });
    ASSERT_TRUE(connection.ok()) << connection.status();
    (*connection)->Send({.header = bytes}, absl::InfiniteFuture(), [](const absl::Status&) {});
    EXPECT_EQ(stranger->AwaitAnswer(), wire::WeightFrameType::kRefuse);
    (*connection)->Close(absl::OkStatus());
  }
  EXPECT_GE(publisher_->stats().refused, bad.size());
  ExpectEqual(*Reach(*subscriber, Publish(2)), model_);
}

INSTANTIATE_TEST_SUITE_P(Over, WeightSync, ::testing::Values("inproc", "tcp"),
                         [](const auto& param) { return param.param; });

TEST(WeightSyncOptions, WhatCantWorkIsRefusedInWords) {
  const auto runtime = NewRuntime();
  const WeightLayout layout = sync::SmallWeights();
  const auto publisher = [&](PublisherOptions options) {
    return std::string(Publisher::Start(runtime.get(), options, layout).status().message());
  };
  EXPECT_THAT(publisher({.codec = "int8"}), HasSubstr("take sparse_lossless"));
  EXPECT_THAT(publisher({.codec = "nonsense"}), HasSubstr("nonsense"));
  EXPECT_THAT(publisher({.listen = {}}), HasSubstr("at least one address"));
  EXPECT_THAT(publisher({.listen = {"auto://127.0.0.1:0"}}), HasSubstr("can't listen on auto://"));
  EXPECT_THAT(publisher({.chunk_bytes = 7}), HasSubstr("chunk_bytes is 7"));
  EXPECT_THAT(publisher({.links_max = 0}), HasSubstr("links_max is 0"));
  const auto subscriber = [&](SubscriberOptions options) {
    return std::string(Subscriber::Start(runtime.get(), options, layout).status().message());
  };
  EXPECT_THAT(subscriber({.publisher = "auto://127.0.0.1:1"}), HasSubstr("name the scheme"));
  EXPECT_THAT(subscriber({.publisher = "tcp://127.0.0.1:1", .copies_max = 1}),
              HasSubstr("copies_max is 1"));
  EXPECT_THAT(subscriber({.publisher = "nope://a:1"}), HasSubstr("nope"));
}

}  // namespace
}  // namespace tideway::testing
