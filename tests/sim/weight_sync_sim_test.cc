// Weight sync in virtual time: a publisher and subscribers that die and come back, over a slow network that breaks, delays and
// damages what it carries.
//
// Every version is written down when it is published. Whatever a subscriber then says is in use must be one of them, to the bit, and
// stay so for as long as it is held.

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/sync/weights_testing.h"
#include "gtest/gtest.h"
#include "tests/sim/sim_runtime.h"
#include "tideway/fault_transport.h"
#include "tideway/publisher.h"
#include "tideway/sim_executor.h"
#include "tideway/sim_network.h"
#include "tideway/subscriber.h"

namespace tideway::testing {
namespace {

constexpr char kUri[] = "sim://publisher:7000";
constexpr size_t kVersions = 1000;

class World {
 public:
  World(uint64_t seed, FaultPlan faults, size_t subscribers)
      : executor_(seed),
        // The whole takes as long as some versions; so it is read while newer ones come.
        network_(seed, {.latency = absl::Milliseconds(5),
                        .jitter = absl::Milliseconds(5),
                        .bytes_per_second = 50'000,
                        .reset_probability = 0.002}),
        faults_(std::move(faults)),
        random_(seed),
        model_(sync::SmallWeights()) {
    faults_.seed = seed;
    model_.Fill(random_);
    StartPublisher();
    ends_.resize(subscribers);
    for (size_t i = 0; i < subscribers; ++i) {
      ends_[i].host = absl::StrCat("replica-", i);
      StartSubscriber(ends_[i]);
    }
  }

  ~World() {
    for (End& end : ends_) StopSubscriber(end);
    StopPublisher();
  }

  uint64_t Draw(uint64_t below) { return random_() % below; }

  // Publishes one version after some time.
  void Step() {
    executor_.RunFor(absl::Milliseconds(static_cast<int64_t>(Draw(120))));
    switch (Draw(20)) {
      case 0:
        model_.Change(0.9, random_);
        break;
      case 1:
        break;  // nothing at all
      default:
        model_.Change(0.02, random_);
    }
    Publish();
  }

  void CrashPublisher() {
    ++publisher_crashes_;
    network_.Crash("publisher");
    StopPublisher();
    executor_.RunFor(absl::Milliseconds(static_cast<int64_t>(Draw(2000))));
    // It goes on from a checkpoint: some versions back, so that numbers come again, for other weights.
    version_ -= std::min<uint64_t>(version_, Draw(5));
    model_.Change(0.3, random_);
    StartPublisher();
    Publish();
  }

  void CrashSomeSubscriber() {
    ++subscriber_crashes_;
    End& end = ends_[Draw(ends_.size())];
    if (end.subscriber == nullptr) return StartSubscriber(end);
    network_.Crash(end.host);
    StopSubscriber(end);
    if (Draw(2) == 0) StartSubscriber(end);  // or later, when its turn comes again
  }

  void CutSomeSubscriberOff() {
    End& end = ends_[Draw(ends_.size())];
    network_.Partition(end.host, "publisher");
    executor_.RunFor(absl::Milliseconds(static_cast<int64_t>(Draw(30'000))));
    network_.Heal(end.host, "publisher");
  }

  // Nothing breaks any more on purpose: everybody must come to the newest version.
  void ExpectAllToArrive() {
    Publish();
    for (End& end : ends_) {
      if (end.subscriber == nullptr) StartSubscriber(end);
    }
    const bool arrived = executor_.RunUntilTrue(
        [this] {
          return std::all_of(ends_.begin(), ends_.end(),
                             [this](const End& end) { return end.seen == newest_; });
        },
        executor_.Now() + absl::Minutes(30));
    for (const End& end : ends_) {
      EXPECT_EQ(end.seen, newest_) << end.host << " has " << end.seen.ToString() << ": "
                                   << end.subscriber->stats().last_error;
    }
    EXPECT_TRUE(arrived);
  }

  uint64_t installs() const { return installs_; }
  // Of all lives of all subscribers.
  SubscriberStats Totals() const {
    SubscriberStats totals = ended_;
    for (const End& end : ends_) {
      if (end.subscriber != nullptr) Add(end.subscriber->stats(), totals);
    }
    return totals;
  }
  uint64_t publisher_crashes() const { return publisher_crashes_; }
  uint64_t subscriber_crashes() const { return subscriber_crashes_; }
  FaultControl& faults() { return control_; }

 private:
  struct End {
    std::string host;
    uint64_t life = 0;
    std::unique_ptr<Runtime> runtime;
    std::unique_ptr<Subscriber> subscriber;
    WeightVersionId seen;
    WeightsPtr held;
  };
  using Tensors = std::vector<std::vector<std::byte>>;

  static void Add(const SubscriberStats& stats, SubscriberStats& totals) {
    totals.installs += stats.installs;
    totals.wholes += stats.wholes;
    totals.connects += stats.connects;
    totals.checksum_errors += stats.checksum_errors;
    totals.waits_for_a_copy += stats.waits_for_a_copy;
  }

  std::unique_ptr<Runtime> NewRuntime(const std::string& host) {
    return NewSimRuntime(&executor_,
                         WithFaults(SimTransportEntry(&network_, host), faults_, control_));
  }

  void StartPublisher() {
    publisher_runtime_ = NewRuntime("publisher");
    // Little is kept, so that laggards meet all ways of catching up.
    auto publisher = Publisher::Start(publisher_runtime_.get(),
                                      {.listen = {kUri},
                                       .chunk_bytes = 64,
                                       .links_max = 6,
                                       .anchors_max = 1,
                                       .encode_threads = 2},
                                      model_.layout);
    ASSERT_TRUE(publisher.ok()) << publisher.status();
    publisher_ = *std::move(publisher);
  }

  void StopPublisher() {
    publisher_runtime_->Stop();
    publisher_.reset();
    executor_.RunFor(absl::ZeroDuration());
    publisher_runtime_.reset();
  }

  void Publish() {
    std::vector<WeightView> views;
    for (size_t i = 0; i < model_.tensors.size(); ++i) {
      const WeightSpec& spec = model_.layout.tensors()[i];
      views.push_back({spec.name, spec.type, spec.shape, model_.tensors[i].data()});
    }
    const auto report = publisher_->Publish(++version_, views);
    ASSERT_TRUE(report.ok()) << report.status();
    newest_ = report->id;
    published_.emplace(std::pair(newest_.epoch, newest_.version), model_.tensors);
  }

  void StartSubscriber(End& end) {
    ++end.life;
    end.runtime = NewRuntime(end.host);
    auto subscriber = Subscriber::Start(
        end.runtime.get(), {.publisher = kUri, .name = end.host, .copies_max = 2 + Draw(2)},
        model_.layout);
    ASSERT_TRUE(subscriber.ok()) << subscriber.status();
    end.subscriber = *std::move(subscriber);
    end.seen = {};
    Follow(end);
  }

  void StopSubscriber(End& end) {
    if (end.subscriber == nullptr) return;
    ++end.life;
    Add(end.subscriber->stats(), ended_);
    end.runtime->Stop();
    end.subscriber.reset();
    executor_.RunFor(absl::ZeroDuration());
    end.held.reset();
    end.runtime.reset();
  }

  void Follow(End& end) {
    end.subscriber->WhenNewer(end.seen, absl::InfiniteFuture(),
                              [this, &end, life = end.life](absl::StatusOr<WeightsPtr> weights) {
                                if (life != end.life) return;
                                ASSERT_TRUE(weights.ok()) << weights.status();
                                Look(end, *std::move(weights));
                                Follow(end);
                              });
  }

  // Compares what came, and now and then holds it for a while and compares it again.
  void Look(End& end, WeightsPtr weights) {
    ++installs_;
    ExpectAsPublished(*weights);
    if (weights->id().epoch == end.seen.epoch) {
      EXPECT_GT(weights->id().version, end.seen.version) << "versions of one epoch go up";
    }
    end.seen = weights->id();
    if (Draw(3) != 0 || end.held != nullptr) return;
    end.held = std::move(weights);
    const auto span = absl::Milliseconds(static_cast<int64_t>(Draw(2000)));
    executor_.PostAt(executor_.Now() + span, [this, &end, life = end.life] {
      if (life != end.life) return;
      ExpectAsPublished(*end.held);
      end.held.reset();
    });
  }

  void ExpectAsPublished(const Weights& weights) const {
    const auto found = published_.find({weights.id().epoch, weights.id().version});
    ASSERT_NE(found, published_.end()) << weights.id().ToString() << " was never published";
    for (size_t i = 0; i < found->second.size(); ++i) {
      ASSERT_EQ(weights.tensor(i), absl::MakeConstSpan(found->second[i]))
          << weights.id().ToString() << " tensor " << i;
    }
  }

  SimExecutor executor_;
  SimNetwork network_;
  FaultPlan faults_;
  FaultControl control_;
  std::mt19937_64 random_;
  sync::TestModel model_;
  std::map<std::pair<uint64_t, uint64_t>, Tensors> published_;
  uint64_t version_ = 0;
  WeightVersionId newest_;
  std::unique_ptr<Runtime> publisher_runtime_;
  std::unique_ptr<Publisher> publisher_;
  std::vector<End> ends_;
  uint64_t installs_ = 0;
  SubscriberStats ended_;
  uint64_t publisher_crashes_ = 0;
  uint64_t subscriber_crashes_ = 0;
};

void RunVersions(World& world) {
  for (size_t version = 0; version < kVersions; ++version) {
    world.Step();
    const uint64_t event = world.Draw(200);
    if (event < 2) world.CrashPublisher();
    if (event >= 10 && event < 20) world.CrashSomeSubscriber();
    if (event == 30) world.CutSomeSubscriberOff();
  }
  world.ExpectAllToArrive();
}

class WeightSyncSim : public ::testing::TestWithParam<uint64_t> {};

TEST_P(WeightSyncSim, AThousandVersionsAreInstalledAsPublishedThroughCrashesOfBothEnds) {
  SCOPED_TRACE(absl::StrCat("seed ", GetParam()));
  World world(GetParam(), {}, 4);
  RunVersions(world);
  EXPECT_GT(world.publisher_crashes(), 2u);
  EXPECT_GT(world.subscriber_crashes(), 20u);
  EXPECT_GT(world.installs(), 500u);
  const SubscriberStats totals = world.Totals();
  EXPECT_GT(totals.wholes, 30u);
  EXPECT_GT(totals.installs, 2 * totals.wholes) << "most came as differences";
  EXPECT_GT(totals.connects, 30u);
  EXPECT_GT(totals.waits_for_a_copy, 0u);
  EXPECT_EQ(totals.checksum_errors, 0u);
}

TEST_P(WeightSyncSim, NothingWrongIsInstalledWhereTheNetworkDamagesWhatItCarries) {
  SCOPED_TRACE(absl::StrCat("seed ", GetParam()));
  World world(GetParam(),
              {.delay_probability = 0.05,
               .delay_max = absl::Milliseconds(300),
               .drop_probability = 0.001,
               .reset_probability = 0.001,
               .corrupt_header_probability = 0.002,
               .corrupt_payload_probability = 0.002},
              3);
  RunVersions(world);
  EXPECT_GT(world.faults().count(FaultKind::kCorruptPayload), 0u);
  EXPECT_GT(world.faults().count(FaultKind::kCorruptHeader), 0u);
  EXPECT_GT(world.installs(), 200u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, WeightSyncSim, ::testing::Range<uint64_t>(1, 11));

}  // namespace
}  // namespace tideway::testing
