// UCX's contexts and workers by themselves.

#include "transports/ucx/context.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "transports/ucx/log_scope.h"

namespace tideway::ucx {
namespace {

TEST(UcxContext, UcxTakesEverySettingThatItIsGiven) {
  for (const char* tls : {"", "tcp", "sm", "posix,cma", "self", "^tcp", "tcp,posix"}) {
    SCOPED_TRACE(tls);
    std::vector<std::string> said;
    const LogSink sink = [&](LogLevel, absl::string_view line) { said.emplace_back(line); };
    const LogScope ucx_speaks_to(&sink);
    Settings settings;
    settings.tls = tls;
    auto context = Context::Create(settings, sink);
    ASSERT_TRUE(context.ok()) << context.status();
    EXPECT_TRUE(Worker::Create(*context).ok());
    // UCX warns of a setting that none of its transports has.
    EXPECT_THAT(said, ::testing::IsEmpty());
  }
}

TEST(UcxContext, EqualSettingsShareAContext) {
  ContextPool pool;
  Settings settings;
  settings.tls = "tcp";
  const auto first = pool.Get(settings, {});
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(*pool.Get(settings, {}), *first);
  settings.net_devices = "lo";
  const auto other = pool.Get(settings, {});
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_NE(*other, *first);
}

TEST(UcxContext, ADeviceThatIsNotHereIsRefusedByName) {
  const LogSink quiet;
  Settings settings;
  settings.tls = "tcp";
  settings.net_devices = "nosuchdevice0";
  const absl::Status status = Context::Create(settings, quiet).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("nosuchdevice0"));
}

TEST(UcxContext, AnAddressOfAnotherVersionOrCutShortIsBorne) {
  const LogSink quiet;
  const LogScope ucx_speaks_to(&quiet);
  Settings settings;
  settings.tls = "tcp";
  const auto context = Context::Create(settings, quiet);
  ASSERT_TRUE(context.ok()) << context.status();
  const auto peer = Worker::Create(*context);
  ASSERT_TRUE(peer.ok()) << peer.status();
  const std::string good = *(*peer)->Address();
  for (int form = 0; form < 256; ++form) {
    if (((form ^ good[0]) & 0xf) == 0) continue;  // the version lies in the lower half
    std::string other = good;
    other[0] = static_cast<char>(form);
    const auto worker = Worker::Create(*context);
    EXPECT_EQ((*worker)->Connect(other, /*peer_errors=*/true).code(),
              absl::StatusCode::kUnavailable)
        << form;
  }
  for (size_t bytes = 0; bytes < good.size(); ++bytes) {
    const auto worker = Worker::Create(*context);
    (void)(*worker)->Connect(good.substr(0, bytes), /*peer_errors=*/true);
  }
}

}  // namespace
}  // namespace tideway::ucx
