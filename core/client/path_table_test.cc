#include "core/client/path_table.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tideway {
namespace {

using ::testing::HasSubstr;

Uri Asked(const std::string& text = "auto://head:5000") { return *Uri::Parse(text); }

PathTable Table(const std::string& asked = "auto://head:5000") {
  return {Asked(asked), "tcp", *Uri::Parse("tcp://head:5000")};
}

LocalPath Local(const std::string& transport, const std::string& name, const std::string& scheme,
                bool same_host_only = false) {
  ProviderInfo provider;
  provider.name = name;
  provider.scheme = scheme;
  provider.same_host_only = same_host_only;
  return {transport, provider};
}

std::vector<LocalPath> LocalAll() {
  return {Local("tcp", "tcp", "tcp"), Local("ucx", "ucx/sm", "ucx", true),
          Local("ucx", "ucx/tcp", "ucx"), Local("libfabric", "ofi+net", "ofi+net")};
}

void Add(wire::Offer& offer, const std::string& provider, const std::string& uri,
         const std::string& refused = "") {
  wire::Path& path = *offer.add_paths();
  path.set_provider(provider);
  path.set_uri(uri);
  path.set_refused(refused);
}

wire::Offer OfferOfAll(uint64_t life = 7) {
  wire::Offer offer;
  offer.set_host_id("here");
  offer.set_life(life);
  Add(offer, "ucx/sm", "ucx://0.0.0.0:1001?tls=sm");
  Add(offer, "ucx/tcp", "ucx://0.0.0.0:1002?tls=tcp");
  Add(offer, "ofi+net", "ofi+net://0.0.0.0:1003");
  return offer;
}

std::string Refused(const PathTable& table, const std::string& provider) {
  for (const TransportCandidate& candidate : table.Candidates()) {
    if (candidate.provider == provider) return candidate.refused;
  }
  return "not among the candidates";
}

std::string BestOf(const PathTable& table) {
  return table.Best().has_value() ? table.Best()->provider : "none";
}

// Measures all that wants to be measured with figures of a usual host.
void MeasureAll(PathTable& table) {
  while (const TransportCandidate* next = table.NextToMeasure()) {
    const bool memory = next->provider == "ucx/sm";
    table.SetMeasured(next->provider, absl::Microseconds(memory ? 3 : 40),
                      next->provider == "tcp" ? 3e9
                      : memory                ? 9e9
                                              : 2e9);
  }
}

TEST(PathTable, TakesTheUsablePathThatMovesAFragmentSoonest) {
  PathTable table = Table();
  table.SetOffer(OfferOfAll(), LocalAll(), "here");
  MeasureAll(table);
  EXPECT_EQ(BestOf(table), "ucx/sm");
  EXPECT_EQ(table.Best()->uri, "ucx://head:1001?tls=sm") << "it is reached where we asked";
  EXPECT_THAT(table.WhyBest(), HasSubstr("shared memory, the best of 4"));
}

TEST(PathTable, ALowLatencyDoesNotMakeUpForALowBandwidth) {
  PathTable table = Table();
  table.SetOffer(OfferOfAll(), LocalAll(), "here");
  table.SetMeasured("ucx/sm", absl::Microseconds(1),
                    1e8);  // shared memory is preferred, but not at any price
  table.SetMeasured("tcp", absl::Microseconds(50), 5e9);
  table.SetMeasured("ucx/tcp", absl::Microseconds(50), 1e9);
  table.SetMeasured("ofi+net", absl::Microseconds(50), 1e9);
  EXPECT_EQ(BestOf(table), "tcp");
}

TEST(PathTable, SharedMemoryIsTakenUnlessItIsEightTimesAsSlow) {
  PathTable table = Table();
  table.SetOffer(OfferOfAll(), LocalAll(), "here");
  table.SetMeasured("tcp", absl::Microseconds(30), 7e9);
  table.SetMeasured("ucx/tcp", absl::Microseconds(40), 2e9);
  table.SetMeasured("ofi+net", absl::Microseconds(40), 2e9);
  table.SetMeasured("ucx/sm", absl::Microseconds(1000), 5e9);
  EXPECT_EQ(BestOf(table), "ucx/sm");
  table.SetMeasured("ucx/sm", absl::Microseconds(1500), 5e9);
  EXPECT_EQ(BestOf(table), "tcp");
  EXPECT_THAT(table.WhyBest(), HasSubstr("the quickest of 4"));
}

TEST(PathTable, RefusesMemoryOfAnotherHostAndWhatEitherEndLacksAndSaysWhy) {
  PathTable table = Table();
  wire::Offer offer = OfferOfAll();
  Add(offer, "ofi+efa", "", "no such adapter");
  Add(offer, "carrier-pigeon", "pigeon://0.0.0.0:1");
  std::vector<LocalPath> local = LocalAll();
  local[3].provider.viable = false;
  local[3].provider.unavailable_reason = "libfabric.so.1 is missing";
  local.push_back(Local("libfabric", "ofi+shm", "ofi+shm", true));
  table.SetOffer(offer, local, "elsewhere");
  EXPECT_EQ(Refused(table, "ucx/sm"), "the server is on another host");
  EXPECT_EQ(Refused(table, "ofi+efa"), "on the server: no such adapter");
  EXPECT_EQ(Refused(table, "carrier-pigeon"), "this program does not have it");
  EXPECT_EQ(Refused(table, "ofi+net"), "here: libfabric.so.1 is missing");
  EXPECT_EQ(Refused(table, "ofi+shm"), "the server does not have it");
  EXPECT_EQ(Refused(table, "tcp"), "");
  EXPECT_EQ(Refused(table, "ucx/tcp"), "");
}

TEST(PathTable, RequireLeavesOutEverythingElseByTransportOrByProvider) {
  PathTable by_transport = Table("auto://head:5000?require=ucx");
  by_transport.SetOffer(OfferOfAll(), LocalAll(), "here");
  EXPECT_EQ(Refused(by_transport, "ucx/sm"), "");
  EXPECT_EQ(Refused(by_transport, "ucx/tcp"), "");
  EXPECT_EQ(Refused(by_transport, "tcp"), "require=ucx leaves it out");

  PathTable by_provider = Table("auto://head:5000?require=ofi+shm");
  by_provider.SetOffer(OfferOfAll(), LocalAll(), "here");
  EXPECT_EQ(BestOf(by_provider), "none");
  EXPECT_THAT(by_provider.Explain(), HasSubstr("ucx/sm: require="));
}

TEST(PathTable, WhatBrokeIsGivenUpUntilTheServersNextLife) {
  PathTable table = Table();
  table.SetOffer(OfferOfAll(7), LocalAll(), "here");
  MeasureAll(table);
  table.GiveUp("ucx/sm", "it broke");
  EXPECT_EQ(BestOf(table), "tcp");
  table.SetOffer(OfferOfAll(7), LocalAll(), "here");
  EXPECT_EQ(BestOf(table), "tcp") << "the same life";
  EXPECT_EQ(table.NextToMeasure(), nullptr);
  table.SetOffer(OfferOfAll(8), LocalAll(), "here");
  EXPECT_NE(table.NextToMeasure(), nullptr) << "another life may have other paths";
  MeasureAll(table);
  EXPECT_EQ(BestOf(table), "ucx/sm");
}

TEST(PathTable, WhenAllIsGivenUpItCanBeForgiven) {
  PathTable table = Table("auto://head:5000?require=tcp");
  table.SetOffer(OfferOfAll(), LocalAll(), "here");
  table.GiveUp("tcp", "it broke");
  EXPECT_EQ(BestOf(table), "none");
  table.ForgiveAll();
  EXPECT_EQ(BestOf(table), "tcp");
}

TEST(PathTable, AHostileOfferBecomesRefusedPathsAndNoMoreThanTheLimit) {
  PathTable table = Table();
  wire::Offer offer;
  offer.set_host_id("here");
  Add(offer, "ucx/tcp", "not a uri");
  Add(offer, "ofi+net", "ucx://0.0.0.0:9");  // the scheme of another provider
  Add(offer, "ucx/sm", "ucx://0.0.0.0:0");
  Add(offer, "tcp", "tcp://0.0.0.0:1");  // not the one that we came by
  for (int i = 0; i < 1000; ++i) Add(offer, "fake" + std::to_string(i), "x://y:1");
  Add(offer, std::string(5000, '\n'), std::string(5000, '\xff'), std::string(5000, '\0'));
  table.SetOffer(offer, LocalAll(), "here");
  EXPECT_LE(table.Candidates().size(), kPathsMax);
  for (const char* provider : {"ucx/tcp", "ofi+net", "ucx/sm"}) {
    EXPECT_EQ(Refused(table, provider), "the server's address of it makes no sense");
  }
  EXPECT_EQ(BestOf(table), "tcp");
  EXPECT_EQ(table.Best()->uri, "tcp://head:5000");
}

TEST(CheckAutoAddress, WantsAPortAndKnowsOnlyRequire) {
  EXPECT_TRUE(CheckAutoAddress(Asked()).ok());
  EXPECT_TRUE(CheckAutoAddress(Asked("auto://head:5000?require=ucx")).ok());
  EXPECT_THAT(CheckAutoAddress(Asked("auto://head")).message(),
              HasSubstr("needs the server's port"));
  EXPECT_THAT(CheckAutoAddress(Asked("auto://head:5000?prefer=ucx")).message(),
              HasSubstr("require"));
  EXPECT_THAT(CheckAutoAddress(Asked("auto://head:5000?require=")).message(), HasSubstr("empty"));
}

}  // namespace
}  // namespace tideway
