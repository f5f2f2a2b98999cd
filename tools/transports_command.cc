#include "tools/transports_command.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <ostream>
#include <set>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "tideway/version.h"
#include "tools/exit_status.h"
#include "tools/measure.h"
#include "tools/transports_table.h"

namespace tideway::tools {
namespace {

constexpr double kSecondsMax = 600;

constexpr char kFooter[] = R"(Examples:
  tideway transports                             what this host has, and why it has not the rest
  tideway transports --only ucx,ofi+shm          all providers of ucx, and one of libfabric
  tideway transports --measure                   with round trip and bandwidth of each viable one
  tideway transports --measure --only tcp --host 10.0.0.7 --seconds 5
  tideway transports --json                      for programs

A name is what --only takes here and --transport takes in tideway-train. An address is made from
the address column with a real host and port: tideway-train --listen ucx://10.0.0.7:5000?tls=tcp

Exit status: 0 done; 1 nothing that was asked for is viable, or a measurement failed; 2 the command
line asks for what does not exist.)";

struct Flags {
  bool json = false;
  bool measure = false;
  std::vector<std::string> only;
  MeasureOptions options;
};

// CLI11 throws; nothing of that leaves this function. A text: the answer to --help.
absl::StatusOr<std::optional<std::string>> ParseFlags(const std::vector<std::string>& arguments,
                                                      Flags* flags) {
  CLI::App app("Lists the transports and providers of this build, as this host has them.",
               "tideway transports");
  app.footer(kFooter);
  app.get_formatter()->column_width(26);
  double seconds = absl::ToDoubleSeconds(flags->options.budget);
  app.add_flag("--json", flags->json, "print JSON");
  app.add_flag("--measure", flags->measure, "measure each viable provider over loopback");
  app.add_option("--only", flags->only, "NAME[,NAME...]: these providers, transports or schemes")
      ->delimiter(',');
  app.add_option("--host", flags->options.host, "IP: address that --measure listens on")
      ->capture_default_str();
  app.add_option("--seconds", seconds, "that --measure may take for each provider")
      ->capture_default_str()
      ->check(CLI::Range(0.01, kSecondsMax));
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    app.parse(std::move(reversed));
  } catch (const CLI::CallForHelp&) {
    return app.help();
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(absl::StrCat(absl::StrReplaceAll(error.what(), {{"\n", " "}}),
                                                   "; see tideway transports --help"));
  }
  flags->options.budget = absl::Seconds(seconds);
  return std::nullopt;
}

// The rows that `name` means: the provider of that name, or else all of the transport that has that name or scheme.
std::vector<const ProviderRow*> Meant(const std::vector<ProviderRow>& rows,
                                      const std::string& name) {
  std::vector<const ProviderRow*> whole_transport;
  for (const ProviderRow& row : rows) {
    if (row.provider.name == name) return {&row};
    const std::vector<std::string>& schemes = row.transport.schemes;
    if (row.transport.name == name ||
        std::find(schemes.begin(), schemes.end(), name) != schemes.end()) {
      whole_transport.push_back(&row);
    }
  }
  return whole_transport;
}

// The rows that the names mean, in the order of `rows`. NOT_FOUND, with the names that exist.
absl::StatusOr<std::vector<ProviderRow>> Only(const std::vector<std::string>& names,
                                              const std::vector<ProviderRow>& rows) {
  std::set<const ProviderRow*> kept;
  for (const std::string& name : names) {
    const std::vector<const ProviderRow*> meant = Meant(rows, name);
    kept.insert(meant.begin(), meant.end());
    if (!meant.empty()) continue;
    const auto its_name = [](std::string* text, const ProviderRow& row) {
      text->append(row.provider.name);
    };
    return absl::NotFoundError(absl::StrCat("there is no provider '", name, "'; this build has ",
                                            absl::StrJoin(rows, ", ", its_name)));
  }
  std::vector<ProviderRow> result;
  for (const ProviderRow& row : rows) {
    if (kept.contains(&row)) result.push_back(row);
  }
  return result;
}

bool CanBeMeasured(const ProviderRow& row) { return row.viable() && row.transport.real_time; }

// False: nothing was there to be measured, or a measurement failed. Each failure stands in the listing too.
bool MeasureAll(const TransportRegistry& transports, const MeasureOptions& options,
                std::vector<ProviderRow>* rows, std::ostream& err) {
  const auto all = std::count_if(rows->begin(), rows->end(), CanBeMeasured);
  int done = 0;
  bool well = true;
  for (ProviderRow& row : *rows) {
    if (!CanBeMeasured(row)) continue;
    err << "measuring " << row.provider.name << " (" << ++done << " of " << all << ")" << std::endl;
    const auto entry = transports.FindScheme(row.provider.scheme);
    row.measured = entry.ok() ? MeasureProvider(**entry, row.provider, options)
                              : absl::StatusOr<Measurement>(entry.status());
    if (row.measured->ok()) continue;
    well = false;
    err << "tideway: " << row.provider.name << ": " << row.measured->status().message()
        << std::endl;
  }
  if (all == 0) err << "tideway: nothing of this can be measured here" << std::endl;
  return well && all > 0;
}

std::string HostName() {
  std::array<char, 256> name = {};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "an unnamed host";
}

}  // namespace

int RunTransports(const std::vector<std::string>& arguments, const TransportRegistry& transports,
                  std::ostream& out, std::ostream& err) {
  Flags flags;
  const auto answer = ParseFlags(arguments, &flags);
  if (answer.ok() && answer->has_value()) {
    out << **answer;
    return kDoneStatus;
  }
  const auto refuse = [&err](const absl::Status& why) {
    err << "tideway: " << why.message() << std::endl;
    return kUsageStatus;
  };
  if (!answer.ok()) return refuse(answer.status());
  absl::StatusOr<std::vector<ProviderRow>> rows = ListProviders(transports);
  if (!flags.only.empty()) rows = Only(flags.only, *rows);
  if (!rows.ok()) return refuse(rows.status());
  TransportsListing listing = {.version = kVersion, .host = HostName(), .rows = *std::move(rows)};
  bool well = std::any_of(listing.rows.begin(), listing.rows.end(),
                          [](const ProviderRow& row) { return row.viable(); });
  if (flags.measure) {
    listing.measured_with = flags.options;
    well &= MeasureAll(transports, flags.options, &listing.rows, err);
  }
  out << (flags.json ? TransportsJson(listing) : TransportsTable(listing));
  return well ? kDoneStatus : kFailedStatus;
}

}  // namespace tideway::tools
