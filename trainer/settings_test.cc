#include "trainer/settings.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "trainer/file_io.h"
#include "trainer/flags.h"
#include "trainer/plan.h"

namespace tideway::trainer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Settings Parsed(const std::vector<std::string>& arguments) {
  const absl::StatusOr<ParsedFlags> parsed = ParseFlags(arguments);
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  return parsed.ok() ? parsed->settings : Settings{};
}

void ExpectRefused(const std::vector<std::string>& arguments, const std::string& why) {
  const absl::StatusOr<ParsedFlags> parsed = ParseFlags(arguments);
  ASSERT_FALSE(parsed.ok()) << why;
  const std::string text(parsed.status().message());
  EXPECT_THAT(text, HasSubstr(why));
  EXPECT_EQ(text.find('\n'), std::string::npos) << text;
}

TEST(Flags, DefaultsAreTheQuickstarts) {
  const Settings s = Parsed({"--data", "kjv.txt"});
  EXPECT_EQ(s.workers, 2);
  EXPECT_EQ(s.codec, "int8:block=256");
  EXPECT_EQ(s.codec_down, "bf16");
  EXPECT_EQ(OuterOptimizerSpec(s), "delayed-nesterov:lr=0.7,momentum=0.9,c=0,n=auto");
  const SchedulingOptions scheduling = MakeServerOptions(s).scheduling;
  EXPECT_TRUE(scheduling.dylu);
  EXPECT_TRUE(scheduling.grace);
  EXPECT_EQ(scheduling.inner_steps_total, 10000u);
  EXPECT_EQ(scheduling.shard_sizes.size(), 2u);
}

TEST(Flags, PullsByDifferencesAreOffUntilTheyAreAskedFor) {
  EXPECT_EQ(MakeWorkerOptions(Parsed({"--data", "a"})).pull_differences, "");
  const Settings s = Parsed({"--data", "a", "--pull-differences", "topk:density=0.05"});
  EXPECT_EQ(MakeWorkerOptions(s).pull_differences, "topk:density=0.05");
  Settings kept;
  ASSERT_TRUE(FromJson(ToJson(s), &kept).ok());
  EXPECT_EQ(kept.pull_differences, "topk:density=0.05");
}

TEST(Flags, ListsAreSplitAtCommas) {
  const Settings s = Parsed({"--data", "a,b", "--slow", "1,3"});
  EXPECT_THAT(s.data, ElementsAre("a", "b"));
  EXPECT_THAT(s.slow, ElementsAre(1.0, 3.0));
}

TEST(Flags, MethodsChooseSchedulerAndOuterOptimizer) {
  const Settings sync = Parsed({"--data", "a", "--method", "sync-diloco"});
  EXPECT_EQ(MakeServerOptions(sync).scheduling.method, SchedulingOptions::Method::kSync);
  EXPECT_FALSE(MakeServerOptions(sync).scheduling.dylu);
  EXPECT_EQ(MakeServerOptions(sync).outer_optimizer, "nesterov:lr=0.7,momentum=0.9,buffer=auto");
  const Settings naive = Parsed({"--data", "a", "--method", "naive-async"});
  EXPECT_EQ(OuterOptimizerSpec(naive), "nesterov:lr=0.35,momentum=0.9,buffer=1");
  EXPECT_FALSE(MakeServerOptions(naive).scheduling.grace);
  EXPECT_EQ(OuterOptimizerSpec(Parsed({"--data", "a", "--outer", "sgd:lr=0.5"})), "sgd:lr=0.5");
}

TEST(Flags, ThePresetYieldsToWhatIsGivenByName) {
  const Settings s = Parsed({"--data", "a", "--preset", "slow-link"});
  EXPECT_EQ(s.codec, "topk:density=0.01,values=int8");
  EXPECT_EQ(s.residual_decay, 0.95);
  EXPECT_EQ(OuterOptimizerSpec(s), "sgd:lr=0.4");
  const Settings own = Parsed({"--data", "a", "--preset", "slow-link", "--codec=identity"});
  EXPECT_EQ(own.codec, "identity");
  EXPECT_EQ(OuterOptimizerSpec(own), "sgd:lr=0.4");
}

TEST(Flags, WrongOrMissingOnesAreRefusedInOneSentence) {
  ExpectRefused({}, "--data");
  ExpectRefused({"--data", "a", "--wrong", "1"}, "--wrong");
  ExpectRefused({"--data", "a", "--workers", "two"}, "two");
  ExpectRefused({"--data", "a", "--workers", "0"}, "--workers must be from 1");
  ExpectRefused({"--data", "a", "--method", "magic"}, "one of async");
  ExpectRefused({"--data", "a", "--role", "boss"}, "one of local, server, worker");
  ExpectRefused({"--data", "a", "--role", "worker"}, "needs --connect");
  ExpectRefused({"--role", "server"}, "needs --listen");
  ExpectRefused({"--role", "server", "--listen", "tcp://:1", "--server-index", "1"},
                "--server-index");
  ExpectRefused({"--data", "a", "--listen", "tcp://:1"}, "belong to --role");
  ExpectRefused({"--data", "a", "--slow", "1,3,5"}, "--slow names 3");
  ExpectRefused({"--data", "a", "--slow", "0.5"}, "--slow must be from 1");
  ExpectRefused({"--data", "a", "--heads", "3"}, "multiple of --heads");
  ExpectRefused({"--data", "a", "--overlap", "50"}, "--overlap");
  ExpectRefused({"--data", "a", "--preset", "fast-link"}, "slow-link");
  ExpectRefused({"--data", "a", "--fragment-bytes", "6"}, "multiple of 4");
  ExpectRefused({"--resume", "/no/such/run"}, "folder of a run");
}

TEST(Flags, HelpShowsEachGroupAndExamples) {
  const absl::StatusOr<ParsedFlags> parsed = ParseFlags({"--help"});
  ASSERT_TRUE(parsed.ok() && parsed->answer.has_value());
  for (const char* part : {"Examples:", "--role worker", "Local-SGD", "Exit status", "--codec-down",
                           "--pull-differences"}) {
    EXPECT_THAT(*parsed->answer, HasSubstr(part));
  }
}

TEST(Flags, AResumedRunTakesItsSettingsAndRefusesAnotherModel) {
  const std::string folder = ::testing::TempDir() + "/resumed";
  ASSERT_TRUE(MakeFolder(folder).ok());
  Settings s = Parsed({"--data", "text", "--width", "64", "--steps", "10", "--seed", "9"});
  ASSERT_TRUE(WriteFileAtomically(folder + "/run.json", ToJson(s)).ok());
  const Settings resumed = Parsed({"--resume", folder, "--steps", "20"});
  EXPECT_EQ(resumed.model.width, 64);
  EXPECT_EQ(resumed.seed, 9u);
  EXPECT_EQ(resumed.steps, 20);
  EXPECT_EQ(resumed.out, folder);
  ExpectRefused({"--resume", folder, "--width", "128"}, "--width can't change");
  ExpectRefused({"--resume=" + folder, "--seed", "1"}, "--seed can't change");
  ASSERT_TRUE(WriteFileAtomically(folder + "/run.json", "{\"width\":\"wide\"}").ok());
  ExpectRefused({"--resume", folder}, "no proper value for 'width'");
}

TEST(Settings, KeptOnesSurviveTheWayThroughJson) {
  Settings s = Parsed({"--data", "a,b", "--slow", "1,2.5", "--no-grace", "--lr", "0.001", "--outer",
                       "sgd:lr=0.5", "--seed", "18446744073709551615"});
  Settings back;
  ASSERT_TRUE(FromJson(ToJson(s), &back).ok());
  EXPECT_EQ(ToJson(s), ToJson(back));
  EXPECT_FALSE(back.grace);
  EXPECT_EQ(back.seed, UINT64_MAX);
  EXPECT_THAT(back.slow, ElementsAre(1.0, 2.5));
}

TEST(Settings, ADamagedFileChangesNothing) {
  for (const char* text : {"", "[]", "{\"steps\":1.5}", "{\"layers\":99999999999}",
                           "{\"data\":[1]}", "{\"grace\":1}", "{\"seed\":-1}"}) {
    Settings s;
    EXPECT_EQ(FromJson(text, &s).code(), absl::StatusCode::kDataLoss) << text;
    EXPECT_EQ(ToJson(s), ToJson(Settings{}));
  }
}

}  // namespace
}  // namespace tideway::trainer
