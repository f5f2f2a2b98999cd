// The parameters of ucx:// addresses, and whether the process has one UCX.

#include "transports/ucx/settings.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "transports/ucx/probe.h"

namespace tideway::ucx {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

absl::StatusOr<Params> Parse(const std::string& params) {
  return ParseParams(*Uri::Parse("ucx://127.0.0.1:5000" + params));
}

std::string Refusal(const std::string& params) {
  const absl::Status status = Parse(params).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << params << ": " << status;
  return std::string(status.message());
}

Settings WithTls(const std::string& tls) {
  Settings settings;
  settings.tls = tls;
  return settings;
}

TEST(UcxSettings, AnAddressWithoutParametersLeavesTheChoiceToUcx) {
  const absl::StatusOr<Params> params = Parse("");
  ASSERT_TRUE(params.ok()) << params.status();
  EXPECT_EQ(params->settings, Settings());
  EXPECT_EQ(params->settings.UcxTls(), "all");
  EXPECT_EQ(params->spin_us, 20);
}

TEST(UcxSettings, AllParametersAreTaken) {
  const absl::StatusOr<Params> params = Parse("?tls=tcp,self&net_devices=lo&spin_us=0");
  ASSERT_TRUE(params.ok()) << params.status();
  EXPECT_EQ(params->settings.tls, "tcp,self");
  EXPECT_EQ(params->settings.net_devices, "lo");
  EXPECT_EQ(params->spin_us, 0);
}

TEST(UcxSettings, AnUnknownParameterNamesThoseThatExist) {
  EXPECT_THAT(Refusal("?tsl=tcp"), AllOf(HasSubstr("tsl"), HasSubstr("tls"),
                                         HasSubstr("net_devices"), HasSubstr("spin_us")));
}

TEST(UcxSettings, AnUnknownTransportOfUcxNamesThoseThatExist) {
  EXPECT_THAT(Refusal("?tls=tcp,rcc"),
              AllOf(HasSubstr("'rcc'"), HasSubstr("rc_verbs"), HasSubstr("posix")));
  EXPECT_THAT(Refusal("?tls=,"), HasSubstr("''"));
}

TEST(UcxSettings, ATimeToSpinOutOfRangeIsRefused) {
  for (const char* value : {"-1", "1000001", "abc", "1e3", ""})
    EXPECT_THAT(Refusal(std::string("?spin_us=") + value), HasSubstr("spin_us"));
}

TEST(UcxSettings, TlsNamesSayWhatMayBeUsed) {
  EXPECT_THAT(SplitTls(""), IsEmpty());
  EXPECT_THAT(SplitTls("^cma,rc"), ElementsAre("cma", "rc"));
  for (const char* tls : {"", "all", "sm", "tcp,posix", "mm", "^tcp"})
    EXPECT_TRUE(WithTls(tls).SharedMemoryAllowed()) << tls;
  for (const char* tls : {"tcp", "rc,ud", "cma", "^sm", "^posix"})
    EXPECT_FALSE(WithTls(tls).SharedMemoryAllowed()) << tls;
  for (const char* tls : {"", "all", "tcp", "rc,tcp", "^sm"})
    EXPECT_TRUE(WithTls(tls).TcpAllowed()) << tls;
  for (const char* tls : {"sm", "rc", "^tcp"}) EXPECT_FALSE(WithTls(tls).TcpAllowed()) << tls;
}

TEST(UcxSettings, WithoutCmaNoNameBringsItBack) {
  for (const char* tls : {"", "all", "sm", "shm", "posix,cma", "tcp,sm", "tcp,all", "^tcp"}) {
    Settings settings = WithTls(tls);
    settings.without_cma = true;
    const std::string told = settings.UcxTls();
    if (told[0] == '^') {
      EXPECT_THAT(SplitTls(told), ::testing::Contains("cma")) << tls;
      continue;
    }
    for (const std::string& name : SplitTls(told))
      EXPECT_TRUE(name != "cma" && name != "sm" && name != "shm" && name != "all") << told;
  }
}

// --- one UCX ----------------------------------------------------------------------------------------------------

constexpr UcxVersion kBuilt = {1, 13};

TEST(UcxProbe, OneUcxOfThisVersionOrALaterOneIsFine) {
  EXPECT_TRUE(
      CheckOneUcx({"/lib/libucp.so.0", "/lib/libuct.so.0", "/lib/libc.so.6"}, {1, 13}, kBuilt)
          .ok());
  EXPECT_TRUE(CheckOneUcx({"/lib/libucp.so.0", "/lib/libucp.so.0"}, {1, 15}, kBuilt).ok());
}

TEST(UcxProbe, TwoUcxesAreRefusedAndBothAreNamed) {
  for (const std::string name : {"libucp", "libuct", "libucs", "libucm"}) {
    const absl::Status status = CheckOneUcx(
        {"/usr/lib/" + name + ".so.0", "/venv/lib/" + name + "-1a2b3c.so.0.0.0"}, {1, 13}, kBuilt);
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << name;
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr("/usr/lib/" + name), HasSubstr("/venv/lib/" + name)));
  }
}

TEST(UcxProbe, AnotherVersionIsRefusedAndBothAreNamed) {
  for (const UcxVersion running : {UcxVersion{1, 12}, UcxVersion{2, 0}, UcxVersion{0, 99}}) {
    const absl::Status status = CheckOneUcx({"/lib/libucp.so.0"}, running, kBuilt);
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr("1.13"), HasSubstr(absl::StrCat(running.major, "."))));
  }
}

TEST(UcxProbe, ThisProcessHasOneUcx) { EXPECT_TRUE(CheckOneUcx().ok()) << CheckOneUcx(); }

TEST(UcxProbe, ProvidersFollowWhatUcxFound) {
  const auto some = ProvidersFor({"tcp/eth0", "posix/memory", "self/memory"}, absl::OkStatus());
  ASSERT_EQ(some.size(), 3u);
  EXPECT_EQ(some[0].name, "ucx/sm");
  EXPECT_TRUE(some[0].viable && some[0].one_sided && some[0].same_host_only);
  EXPECT_EQ(some[1].name, "ucx/rc");
  EXPECT_FALSE(some[1].viable);
  EXPECT_FALSE(some[1].unavailable_reason.empty());
  EXPECT_EQ(some[2].name, "ucx/tcp");
  EXPECT_THAT(some[2].devices, ElementsAre("eth0"));
  EXPECT_FALSE(some[2].one_sided);

  const auto adapter = ProvidersFor({"rc_mlx5/mlx5_0:1", "posix/memory"},
                                    absl::UnavailableError("no process_vm_readv"));
  EXPECT_TRUE(adapter[1].viable && adapter[1].one_sided);
  EXPECT_TRUE(adapter[0].viable && !adapter[0].one_sided);
  EXPECT_FALSE(adapter[2].viable);
}

TEST(UcxProbe, EveryProvidersAddressIsAValidOne) {
  for (const ProviderInfo& provider : ProvidersFor({}, absl::OkStatus())) {
    Uri uri = *Uri::Parse("ucx://127.0.0.1:5000");
    uri.params = provider.params;
    EXPECT_TRUE(ParseParams(uri).ok()) << provider.name;
  }
}

}  // namespace
}  // namespace tideway::ucx
