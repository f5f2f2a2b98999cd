#include "bench/driver/flags.h"

#include <iterator>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "bench/driver/bench_server.h"
#include "bench/driver/sizes.h"
#include "tideway/version.h"

namespace bench {
namespace {

constexpr int kRoundsMax = 1000;
constexpr double kSecondsMax = 600;
constexpr size_t kOutstandingMax = 64;
constexpr size_t kWorkersMax = 4096;

constexpr char kIncast[] = "incast";
constexpr char kCompare[] = "compare";
constexpr char kReport[] = "report";

struct Subcommand {
  const char* name;
  const char* summary;
  const char* sizes = "";  // by default; empty: it measures nothing
  size_t outstanding = 1;
};
constexpr Subcommand kSubcommands[] = {
    {"push", "one push at a time, from a worker into a server's vector", "64MiB"},
    {"pull", "one pull at a time, from a server's vector into a worker's", "64MiB"},
    {"latency", "from a small push to its acknowledgement; ratios are of the median", "4KiB"},
    {"bandwidth", "pushes, several under way at a time", "64MiB", 4},
    {"push-pull", "a push, and the pull that has it, as a worker's cycle does", "64MiB"},
    {"bidir", "a push and a pull at the same time", "64MiB"},
    {kIncast, "many workers push to one server, while another one pushes 4 KiB", "4MiB"},
    {"matrix", "pushes and pulls of all sizes, over all transports", "4KiB..64MiB"},
    {kCompare, "two runs, case by case; fails on a regression"},
    {kReport, "a run's JSON as CSV, as a page or as pictures"},
};

constexpr char kFooter[] = R"(Examples:
  tideway-bench push --transport tcp --size 64MiB --raw
  tideway-bench push --transport tcp --size 64MiB --codec identity --raw --json -
  tideway-bench pull --transport ucx,ofi+net --size 4KiB..256MiB --json pulls.json
  tideway-bench latency --transport all --wait spin
  tideway-bench bandwidth --transport tcp --outstanding 8 --codec identity --codec int8

  tideway-bench incast --transport tcp --workers 2,128 --size 1MiB
  tideway-bench matrix --transport tcp,ucx --raw --json b.json --html b.html
  tideway-bench compare a.json b.json --threshold 5
  tideway-bench report b.json --csv - --svg pictures
  tideway-bench --server --listen tcp://10.0.0.7:7411                on one host, and on the other
  tideway-bench push --transport tcp,ucx/tcp --connect tcp://10.0.0.7:7411 --raw

Starts both ends on this host, as processes of their own, over loopback or shared memory. With --raw, the same bytes also go over the
bare library, in turn with Tideway's and at its best chunk size. All data is verified. GB/s count fp32 bytes, whatever the codec makes
of them. An interval holds the true median with 95 % confidence where there are six rounds or more.
How to read the figures, and the form of the JSON: docs/benchmarks.md.

Exit status: 0 done; 1 something could not be measured, or has become worse; 2 the command line asks for what does not exist.)";

// What CLI11 fills; the rest is read from it.
struct Texts {
  std::string sizes;
  std::string fragment;
};

void AddOutputs(CLI::App& app, Outputs& outputs) {
  app.add_option("--csv", outputs.csv, "the same as CSV")->type_name("FILE");
  app.add_option("--html", outputs.html, "the same as a page with pictures")->type_name("FILE");
  app.add_option("--svg", outputs.svg, "the pictures alone")->type_name("FOLDER");
}

void AddCompare(CLI::App& app, Parsed& parsed) {
  app.add_option("runs", parsed.files, "JSON of two runs, the older one first")
      ->type_name("FILE")
      ->expected(2)
      ->required();
  app.add_option("--threshold", parsed.threshold_percent,
                 "percent that a case may become worse by, where that is no chance")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 100.0));
}

void AddReport(CLI::App& app, Parsed& parsed) {
  app.add_option("run", parsed.files, "JSON of a run")->type_name("FILE")->expected(1)->required();
  AddOutputs(app, parsed.flags.outputs);
}

void AddFlags(CLI::App& app, Flags& flags, Texts& texts) {
  app.add_option("--transport", flags.transports,
                 "providers, transports, auto or all (see tideway transports)")
      ->delimiter(',')
      ->type_name("NAME[,NAME...]")
      ->capture_default_str();
  app.add_option("--size", texts.sizes,
                 "of the vector: 64MiB, a list, or a range: 4KiB..256MiB (times 4)")
      ->type_name("SIZE")
      ->capture_default_str();
  app.add_option("--codec", flags.codecs, "of the pushes; give it again for another one")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("CODEC")
      ->capture_default_str();
  app.add_flag("--raw", flags.raw, "measure the bare library beside Tideway, in turn");
  app.add_option("--json", flags.outputs.json, "write all figures there; - for standard output")
      ->type_name("FILE");
  AddOutputs(app, flags.outputs);
  app.add_option("--rounds", flags.rounds, "of a fresh pair of processes")
      ->capture_default_str()
      ->check(CLI::Range(1, kRoundsMax));
  app.add_option("--seconds", flags.seconds, "that a round measures, after warming up")
      ->capture_default_str()
      ->check(CLI::Range(0.001, kSecondsMax));
  app.add_option("--wait", flags.wait, "how both ends wait: block or spin")
      ->capture_default_str()
      ->check(CLI::IsMember({"block", "spin"}));
  app.add_option("--fragment", texts.fragment, "of Tideway's fragments")->type_name("SIZE");
  app.add_option("--congestion", flags.congestion, "congestion control of tcp and raw sockets")
      ->type_name("NAME");
  app.add_option("--connect", flags.connect,
                 "of a tideway-bench --server, which then has the server's end")
      ->type_name("tcp://HOST:PORT");
}

absl::Status Refuse(const std::string& why, const std::string& where) {
  return absl::InvalidArgumentError(absl::StrCat(absl::StrReplaceAll(why, {{"\n", " "}}),
                                                 "; see tideway-bench ", where, "--help"));
}

// What CLI11 would only call missing.
absl::Status CheckSubcommand(const std::vector<std::string>& arguments) {
  if (arguments.empty() || absl::StartsWith(arguments[0], "-")) return absl::OkStatus();
  std::string known;
  for (const Subcommand& subcommand : kSubcommands) {
    if (arguments[0] == subcommand.name) return absl::OkStatus();
    absl::StrAppend(&known, known.empty() ? "" : ", ", subcommand.name);
  }
  return Refuse(absl::StrCat("there is no subcommand '", arguments[0], "'; there are ", known), "");
}

absl::Status TakeTexts(const Texts& texts, Flags& flags) {
  if (texts.sizes.empty()) return absl::OkStatus();
  absl::StatusOr<std::vector<size_t>> sizes = ParseSizes(texts.sizes);
  if (!sizes.ok()) return sizes.status();
  flags.sizes = *std::move(sizes);
  if (texts.fragment.empty()) return absl::OkStatus();
  const absl::StatusOr<size_t> fragment = ParseSize(texts.fragment);
  if (!fragment.ok()) return fragment.status();
  flags.fragment_bytes = *fragment;
  return absl::OkStatus();
}

}  // namespace

// CLI11 throws; nothing of that leaves this function.
absl::StatusOr<Parsed> ParseFlags(const std::vector<std::string>& arguments) {
  const absl::Status known = CheckSubcommand(arguments);
  if (!known.ok()) return known;
  CLI::App app("Measures pushes and pulls over every transport, beside the bare libraries.",
               "tideway-bench");
  app.footer(kFooter);
  app.get_formatter()->column_width(26);
  Parsed server;
  server.listen = BenchServer::Options().listen;
  app.add_flag("--server", server.server, "serve the other end for tideway-bench --connect");
  app.add_option("--listen", server.listen, "that --server listens on")
      ->type_name("tcp://HOST:PORT")
      ->capture_default_str();
  app.set_version_flag("--version", absl::StrCat("tideway-bench ", tideway::kVersion, "\n"));
  app.require_subcommand(0, 1);
  // One set of variables for each, since defaults differ.
  std::vector<std::pair<Parsed, Texts>> of_each(std::size(kSubcommands));
  for (size_t i = 0; i < std::size(kSubcommands); ++i) {
    const Subcommand& subcommand = kSubcommands[i];
    auto& [parsed, texts] = of_each[i];
    parsed.flags.subcommand = subcommand.name;
    parsed.flags.outstanding = subcommand.outstanding;
    texts.sizes = subcommand.sizes;
    CLI::App* const command = app.add_subcommand(subcommand.name, subcommand.summary);
    command->footer(kFooter);
    parsed.flags.forms = {subcommand.name};
    if (parsed.flags.subcommand == "matrix") {
      parsed.flags.forms = {"push", "pull"};
      parsed.flags.transports = {"all"};
    }
    if (parsed.flags.subcommand == kCompare) {
      AddCompare(*command, parsed);
    } else if (parsed.flags.subcommand == kReport) {
      AddReport(*command, parsed);
    } else {
      AddFlags(*command, parsed.flags, texts);
    }
    if (parsed.flags.subcommand == kIncast) {
      parsed.flags.workers = {2, 8, 32, 128};
      command->add_option("--workers", parsed.flags.workers, "that push, each one push at a time")
          ->delimiter(',')
          ->type_name("N[,N...]")
          ->capture_default_str()
          ->check(CLI::Range(size_t{1}, kWorkersMax));
    }
    if (subcommand.outstanding > 1) {
      command
          ->add_option("--outstanding", parsed.flags.outstanding,
                       "pushes that are not acknowledged yet")
          ->capture_default_str()
          ->check(CLI::Range(size_t{1}, kOutstandingMax));
    }
  }
  const auto chosen = [&]() -> size_t {
    for (size_t i = 0; i < std::size(kSubcommands); ++i) {
      if (app.got_subcommand(kSubcommands[i].name)) return i;
    }
    return std::size(kSubcommands);
  };
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  std::string where;
  try {
    app.parse(std::move(reversed));
  } catch (const CLI::CallForHelp&) {
    Parsed answer;
    answer.answer = app.help();
    return answer;
  } catch (const CLI::CallForVersion& version) {
    Parsed answer;
    answer.answer = version.what();
    return answer;
  } catch (const CLI::ParseError& error) {
    const size_t i = chosen();
    if (i < std::size(kSubcommands)) where = absl::StrCat(kSubcommands[i].name, " ");
    return Refuse(error.what(), where);
  }
  const size_t which = chosen();
  if (which == std::size(kSubcommands)) {
    if (server.server) return server;
    return Refuse("give a subcommand, or --server", "");
  }
  auto& [parsed, texts] = of_each[which];
  const absl::Status taken = TakeTexts(texts, parsed.flags);
  if (!taken.ok()) {
    return Refuse(std::string(taken.message()), absl::StrCat(parsed.flags.subcommand, " "));
  }
  return std::move(parsed);
}

}  // namespace bench
