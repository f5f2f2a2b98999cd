#include "tools/transports_table.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace tideway::tools {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kWhyNot[] =
    "ofi+efa can't be used here: No data available; it needs an Elastic Fabric Adapter and a "
    "libfabric that was built with it, which is a long sentence that nobody may cut short";

ProviderRow Viable() {
  ProviderRow row;
  row.transport = {.name = "ucx",
                   .schemes = {"ucx"},
                   .version = "1.13.1",
                   .crosses_hosts = true,
                   .crosses_processes = true};
  row.provider = {.name = "ucx/sm",
                  .scheme = "ucx",
                  .params = {{"tls", "posix,cma"}},
                  .devices = {"memory", "cma"},
                  .same_host_only = true,
                  .one_sided = true,
                  .wait = "blocks"};
  return row;
}

ProviderRow Missing() {
  ProviderRow row;
  row.transport = {.name = "libfabric", .schemes = {"ofi", "ofi+efa"}, .crosses_processes = true};
  row.provider = {
      .name = "ofi+efa", .scheme = "ofi+efa", .viable = false, .unavailable_reason = kWhyNot};
  return row;
}

TransportsListing Listing() {
  return {.version = "1.2.3", .host = "here", .rows = {Viable(), Missing()}};
}

Measurement Figures() {
  Measurement figures;
  figures.round_trip_median = absl::Nanoseconds(12'340);
  figures.round_trip_p99 = absl::Microseconds(56);
  figures.round_trips = 1000;
  figures.bandwidth_bytes_per_s = 3.456e9;
  figures.bulk_bytes = 7 * kBulkBytes;
  figures.one_sided = true;
  figures.connection.details = {{"lanes", "posix, cma"}};
  return figures;
}

TEST(TransportsTable, EveryProviderHasALineWithItsAddressAndReach) {
  const std::string text = TransportsTable(Listing());
  EXPECT_THAT(text, HasSubstr("Tideway 1.2.3 on here\n"));
  EXPECT_THAT(
      text,
      HasSubstr("ucx/sm    ucx        ucx://HOST:PORT?tls=posix,cma  this host  yes        yes\n"));
}

TEST(TransportsTable, TheReasonStandsInFull) {
  EXPECT_THAT(TransportsTable(Listing()), HasSubstr(absl::StrCat("no: ", kWhyNot, "\n")));
}

TEST(TransportsTable, AViableProviderShowsItsLimitsDevicesAndWait) {
  const std::string text = TransportsTable(Listing());
  EXPECT_THAT(text, HasSubstr("ucx/sm  1.13.1"));
  EXPECT_THAT(text, HasSubstr("256 B       64 MiB  memory, cma  blocks\n"));
}

TEST(TransportsTable, ATransportsReasonCountsForAllOfItsProviders) {
  TransportsListing listing = {.rows = {Viable()}};
  listing.rows[0].transport.viable = false;
  listing.rows[0].transport.unavailable_reason = "libucp.so.0 is not there";
  EXPECT_THAT(TransportsTable(listing), HasSubstr("no: libucp.so.0 is not there\n"));
}

TEST(TransportsTable, FiguresHaveTheirUnitsAndAFailureItsReason) {
  TransportsListing listing = Listing();
  EXPECT_THAT(TransportsTable(listing), Not(HasSubstr("GB/s")));
  listing.measured_with = MeasureOptions();
  listing.rows[0].measured = Figures();
  listing.rows.push_back(Viable());
  listing.rows[2].measured = absl::UnavailableError("the peer vanished");
  const std::string text = TransportsTable(listing);
  EXPECT_THAT(text, HasSubstr("round trip us, median   p99  GB/s"));
  EXPECT_THAT(text, HasSubstr("12.3  56.0  3.46  1000 round trips, 7 messages\n"));
  EXPECT_THAT(text, HasSubstr("failed: the peer vanished\n"));
  EXPECT_THAT(text, HasSubstr("both ends in this process"));
}

TEST(TransportsJson, HoldsWhatTheTableHolds) {
  const auto json = nlohmann::json::parse(TransportsJson(Listing()));
  EXPECT_EQ(json["version"], "1.2.3");
  EXPECT_EQ(json["host"], "here");
  EXPECT_FALSE(json.contains("measure"));
  ASSERT_EQ(json["providers"].size(), 2u);
  const auto& viable = json["providers"][0];
  EXPECT_EQ(viable["transport"], "ucx");
  EXPECT_EQ(viable["provider"], "ucx/sm");
  EXPECT_EQ(viable["viable"], true);
  EXPECT_EQ(viable["reason"], "");
  EXPECT_EQ(viable["address"], "ucx://HOST:PORT?tls=posix,cma");
  EXPECT_EQ(viable["library_version"], "1.13.1");
  EXPECT_EQ(viable["devices"], nlohmann::json({"memory", "cma"}));
  EXPECT_EQ(viable["capabilities"]["crosses_hosts"], false);
  EXPECT_EQ(viable["capabilities"]["one_sided"], true);
  EXPECT_EQ(viable["capabilities"]["wait"], "blocks");
  EXPECT_EQ(viable["limits"]["payload_bytes_max"], kMessagePayloadBytesMax);
  EXPECT_FALSE(viable.contains("measured"));
  EXPECT_EQ(json["providers"][1]["viable"], false);
  EXPECT_EQ(json["providers"][1]["reason"], kWhyNot);
}

TEST(TransportsJson, FiguresHaveTheirUnitsInTheirKeys) {
  TransportsListing listing = Listing();
  listing.measured_with = MeasureOptions();
  listing.rows[0].measured = Figures();
  listing.rows.push_back(Viable());
  listing.rows[2].measured = absl::UnavailableError("the peer vanished");
  const auto json = nlohmann::json::parse(TransportsJson(listing));
  const auto& measured = json["providers"][0]["measured"];
  EXPECT_DOUBLE_EQ(measured["round_trip_us_median"].get<double>(), 12.34);
  EXPECT_DOUBLE_EQ(measured["round_trip_us_p99"].get<double>(), 56);
  EXPECT_DOUBLE_EQ(measured["bandwidth_gb_per_s"].get<double>(), 3.456);
  EXPECT_EQ(measured["connection"]["lanes"], "posix, cma");
  EXPECT_EQ(json["providers"][2]["measure_error"], "the peer vanished");
  EXPECT_EQ(json["measure"]["seconds_per_provider"], 1.0);
}

TEST(TransportsJson, ADeviceWhoseNameIsNoUtf8DoesNotSpoilTheAnswer) {
  TransportsListing listing = Listing();
  listing.rows[0].provider.devices = {"eth\xff"};
  EXPECT_TRUE(nlohmann::json::accept(TransportsJson(listing)));
}

}  // namespace
}  // namespace tideway::tools
