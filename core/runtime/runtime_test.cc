#include "tideway/runtime.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "tideway/sim_executor.h"

namespace tideway {
namespace {

struct Counts {
  int made = 0;
  int stopped = 0;
};

class FakeTransport final : public Transport {
 public:
  explicit FakeTransport(Counts* counts) : counts_(counts) { ++counts_->made; }
  const TransportInfo& info() const override { return info_; }
  absl::StatusOr<std::unique_ptr<Listener>> Listen(const Uri&, AcceptHandler) override {
    return absl::UnimplementedError("fake");
  }
  void Connect(const Uri&, absl::Time, std::shared_ptr<Receiver>, ConnectDone) override {}
  void Stop() override { ++counts_->stopped; }

 private:
  Counts* const counts_;
  TransportInfo info_;
};

TransportEntry FakeEntry(std::string name, Counts* counts, bool viable = true) {
  TransportEntry entry;
  entry.name = name;
  entry.schemes = {name, name + "s"};
  entry.probe = [name, viable] {
    TransportInfo info;
    info.name = name;
    info.viable = viable;
    if (!viable) info.unavailable_reason = "its cable is missing";
    return info;
  };
  entry.create = [counts](const TransportContext&) -> absl::StatusOr<std::unique_ptr<Transport>> {
    return std::make_unique<FakeTransport>(counts);
  };
  return entry;
}

RuntimeOptions OptionsWith(Counts* counts, Executor* executor) {
  TransportRegistry transports;
  EXPECT_TRUE(transports.Add(FakeEntry("fake", counts)).ok());
  EXPECT_TRUE(transports.Add(FakeEntry("broken", counts, /*viable=*/false)).ok());
  return {.transports = std::move(transports),
          .codecs = {},
          .outer_optimizers = {},
          .executor = executor,
          .executor_options = {.threads = 1},
          .log = {}};
}

TEST(TransportRegistry, RefusesANameOrASchemeThatIsThere) {
  Counts counts;
  TransportRegistry registry;
  EXPECT_TRUE(registry.Add(FakeEntry("fake", &counts)).ok());
  EXPECT_EQ(registry.Add(FakeEntry("fake", &counts)).code(), absl::StatusCode::kAlreadyExists);
  TransportEntry other = FakeEntry("other", &counts);
  other.schemes = {"fakes"};
  EXPECT_EQ(registry.Add(std::move(other)).code(), absl::StatusCode::kAlreadyExists);
}

TEST(TransportRegistry, AnUnknownSchemeIsAnErrorThatNamesTheKnownOnes) {
  Counts counts;
  TransportRegistry registry;
  EXPECT_FALSE(registry.FindScheme("tcp").ok());
  EXPECT_TRUE(registry.Add(FakeEntry("fake", &counts)).ok());
  EXPECT_EQ((*registry.FindScheme("fakes"))->name, "fake");
  const absl::Status status = registry.FindScheme("tcp").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(absl::StrContains(status.message(), "fake://, fakes://")) << status;
}

TEST(Runtime, MakesOneInstancePerTransportWhenFirstAskedFor) {
  Counts counts;
  Runtime runtime(OptionsWith(&counts, nullptr));
  EXPECT_EQ(counts.made, 0);
  auto first = runtime.TransportFor("fake");
  auto second = runtime.TransportFor("fakes");
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(*first, *second);
  EXPECT_EQ(counts.made, 1);
}

TEST(Runtime, ATransportThatCannotWorkHereIsUnavailableWithItsReason) {
  Counts counts;
  Runtime runtime(OptionsWith(&counts, nullptr));
  const absl::Status status = runtime.TransportFor("broken").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(absl::StrContains(status.message(), "its cable is missing")) << status;
  EXPECT_EQ(runtime.TransportFor("none").status().code(), absl::StatusCode::kNotFound);
}

TEST(Runtime, StopStopsTheTransportsAndRefusesNewOnes) {
  Counts counts;
  Runtime runtime(OptionsWith(&counts, nullptr));
  ASSERT_TRUE(runtime.TransportFor("fake").ok());
  runtime.Stop();
  EXPECT_EQ(counts.stopped, 1);
  EXPECT_EQ(runtime.TransportFor("fake").status().code(), absl::StatusCode::kCancelled);
}

TEST(Runtime, LeavesAnExecutorThatItDoesNotOwnRunning) {
  Counts counts;
  SimExecutor executor(1);
  {
    Runtime runtime(OptionsWith(&counts, &executor));
    EXPECT_EQ(&runtime.executor(), &executor);
  }
  bool ran = false;
  executor.Post([&] { ran = true; });
  executor.RunUntilIdle();
  EXPECT_TRUE(ran);
}

TEST(Runtime, LogReachesTheSinkAndAnEmptySinkDropsIt) {
  std::string text;
  Counts counts;
  RuntimeOptions options = OptionsWith(&counts, nullptr);
  options.log = [&](LogLevel, absl::string_view line) { text = std::string(line); };
  Runtime(std::move(options)).Log(LogLevel::kInfo, "hello");
  EXPECT_EQ(text, "hello");
}

}  // namespace
}  // namespace tideway
