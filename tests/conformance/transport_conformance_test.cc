// Which transports the suite goes over, and which of them may not be missing.

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/conformance/transport_fixture.h"
#include "tests/fault/builtin_entry.h"
#include "tideway/builtin_transports.h"
#include "tideway/fault_transport.h"
#include "tideway/uri.h"

namespace tideway::testing {
namespace {

// "ucx/sm" becomes "ucx_sm".
std::string TestName(std::string provider) {
  for (char& c : provider) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c))) c = '_';
  }
  return provider;
}

std::function<TransportEntry()> EntryOf(const std::shared_ptr<TransportRegistry>& registry,
                                        const TransportEntry& listed) {
  return [registry, &listed] { return CopyOf(registry, listed); };
}

// The same transport, said to know no real time, so that the World gives it a simulated executor.
TransportEntry InVirtualTime(TransportEntry entry) {
  entry.probe = [probe = std::move(entry.probe)] {
    TransportInfo changed = probe();
    changed.real_time = false;
    return changed;
  };
  return entry;
}

// The fault decorator keeps every promise of what it wraps, with no faults and with those that any network may commit. One
// provider of each transport is enough: the first that works.
void AddWrapped(const TransportInfo& info, const std::function<TransportEntry()>& entry,
                std::vector<Subject>& subjects) {
  const std::vector<ProviderInfo> providers = ProvidersOf(info);
  const auto viable = std::find_if(providers.begin(), providers.end(),
                                   [](const ProviderInfo& provider) { return provider.viable; });
  const ProviderInfo& primary = viable == providers.end() ? providers.front() : *viable;
  const std::string name = TestName(primary.name);
  subjects.push_back({"fault_over_" + name, primary, [entry] { return WithFaults(entry(), {}); }});
  // Delays are the decorator's own, whatever it wraps; the slow ones to start are left out.
  if (providers.size() > 1) return;
  const FaultPlan delays = {
      .seed = 3, .delay_probability = 0.05, .delay_max = absl::Milliseconds(2)};
  subjects.push_back(
      {"delay_over_" + name, primary, [entry, delays] { return WithFaults(entry(), delays); }});
}

}  // namespace

std::vector<Subject> Subjects() {
  std::vector<Subject> subjects;
  const auto registry = std::make_shared<TransportRegistry>(BuiltinTransports());
  for (const TransportEntry& listed : registry->entries()) {
    const std::function<TransportEntry()> entry = EntryOf(registry, listed);
    const TransportInfo info = listed.probe();
    for (const ProviderInfo& provider : ProvidersOf(info)) {
      subjects.push_back({TestName(provider.name), provider, entry});
      // What has no clock and no thread of its own must run in virtual time too.
      if (!info.real_time || info.crosses_processes) continue;
      subjects.push_back({TestName(provider.name) + "_in_virtual_time", provider,
                          [entry] { return InVirtualTime(entry()); }});
    }
    AddWrapped(info, entry, subjects);
  }
  // Ways to move bytes that are a parameter, not a provider.
  std::vector<Uri> also = {*Uri::Parse("tcp://any?streams=4")};
  also.insert(also.end(), Flags().also.begin(), Flags().also.end());
  for (const Uri& uri : also) {
    for (const TransportEntry& listed : registry->entries()) {
      if (std::find(listed.schemes.begin(), listed.schemes.end(), uri.scheme) ==
          listed.schemes.end())
        continue;
      ProviderInfo provider{.scheme = uri.scheme, .params = uri.params};
      provider.name = uri.scheme;
      for (const auto& [key, value] : uri.params) {
        absl::StrAppend(&provider.name, "_", key, "_", value);
      }
      subjects.push_back({TestName(provider.name), provider, EntryOf(registry, listed)});
    }
  }
  return subjects;
}

namespace {

INSTANTIATE_TEST_SUITE_P(Registered, Transports, ::testing::ValuesIn(Subjects()),
                         [](const auto& param) { return param.param.name; });

TEST(MustRun, EveryProviderThatThisBuildPromisesIsThereAndAvailable) {
  const std::vector<Subject> subjects = Subjects();
  std::vector<std::string> known;
  for (const Subject& subject : subjects) known.push_back(subject.provider.name);
  for (const std::string& name : MustRunProviders()) {
    const auto found = std::find_if(subjects.begin(), subjects.end(), [&](const Subject& subject) {
      return subject.provider.name == name;
    });
    if (found == subjects.end()) {
      ADD_FAILURE() << name
                    << " in TIDEWAY_MUST_RUN_PROVIDERS is no provider of this build; it has "
                    << absl::StrJoin(known, ", ");
    } else {
      EXPECT_TRUE(found->provider.viable)
          << name << " must run here, but is unavailable: " << found->provider.unavailable_reason;
    }
  }
}

TEST(MustRun, EveryProviderHasANameOfItsOwn) {
  std::vector<std::string> names;
  for (const Subject& subject : Subjects()) names.push_back(subject.name);
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end())
      << absl::StrJoin(names, ", ");
}

}  // namespace
}  // namespace tideway::testing
