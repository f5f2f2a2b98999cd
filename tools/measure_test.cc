#include "tools/measure.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tideway/builtin_transports.h"

namespace tideway::tools {
namespace {

class Measuring : public ::testing::TestWithParam<std::string> {};

absl::StatusOr<Measurement> Measure(const std::string& name, const MeasureOptions& options) {
  const TransportRegistry transports = BuiltinTransports();
  const auto entry = transports.FindScheme(name);
  if (!entry.ok()) return entry.status();
  return MeasureProvider(**entry, ProvidersOf((*entry)->probe())[0], options);
}

TEST_P(Measuring, GivesPositiveFiguresThatAgreeWithTheTimeItTook) {
  const absl::Duration budget = absl::Milliseconds(200);
  const auto got = Measure(GetParam(), {.budget = budget});
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_GT(got->round_trips, 0u);
  EXPECT_GT(got->round_trip_median, absl::ZeroDuration());
  EXPECT_LE(got->round_trip_median, got->round_trip_p99);
  // One after the other, so more than half of them take at least the median.
  EXPECT_LE(got->round_trip_median * (static_cast<double>(got->round_trips) / 2),
            budget / 2 + got->round_trip_p99);
  EXPECT_GE(got->bulk_bytes, kBulkBytes);
  EXPECT_GT(got->bandwidth_bytes_per_s, 0);
  EXPECT_EQ(got->connection.transport, GetParam());
}

INSTANTIATE_TEST_SUITE_P(Transports, Measuring, ::testing::Values("inproc", "tcp"));

TEST(Measuring, SaysWhetherTheConnectionIsOneSided) {
  const MeasureOptions options = {.budget = absl::Milliseconds(20)};
  const auto inproc = Measure("inproc", options);
  ASSERT_TRUE(inproc.ok()) << inproc.status();
  EXPECT_TRUE(inproc->one_sided);
  const auto tcp = Measure("tcp", options);
  ASSERT_TRUE(tcp.ok()) << tcp.status();
  EXPECT_FALSE(tcp->one_sided);
}

TEST(Measuring, AnAddressThatThisHostHasNotFailsWithTheReason) {
  const auto got = Measure("tcp", {.host = "192.0.2.1", .budget = absl::Milliseconds(20)});
  EXPECT_EQ(got.status().code(), absl::StatusCode::kUnavailable) << got.status();
  EXPECT_THAT(std::string(got.status().message()), ::testing::HasSubstr("192.0.2.1"));
}

// Takes connections and never moves a byte.
class Mute final : public Transport {
 public:
  explicit Mute(Executor* executor) : executor_(executor) {
    info_.name = "mute";
    info_.schemes = {"mute"};
  }
  const TransportInfo& info() const override { return info_; }
  absl::StatusOr<std::unique_ptr<Listener>> Listen(const Uri&, AcceptHandler) override {
    return std::make_unique<Ear>();
  }
  void Connect(const Uri&, absl::Time, std::shared_ptr<Receiver>, ConnectDone done) override {
    executor_->Post([done = std::move(done)]() mutable {
      std::move(done)(absl::UnavailableError("nobody hears"));
    });
  }
  void Stop() override {}

 private:
  class Ear final : public Listener {
    Uri address() const override { return {}; }
  };

  Executor* const executor_;
  TransportInfo info_;
};

TEST(Measuring, AConnectionThatDoesNotComeAboutFailsWithItsReason) {
  TransportEntry entry;
  entry.create = [](const TransportContext& context) -> absl::StatusOr<std::unique_ptr<Transport>> {
    return std::make_unique<Mute>(context.executor);
  };
  const auto got = MeasureProvider(entry, {.name = "mute", .scheme = "mute"}, {});
  EXPECT_EQ(got.status(), absl::UnavailableError("nobody hears"));
}

}  // namespace
}  // namespace tideway::tools
