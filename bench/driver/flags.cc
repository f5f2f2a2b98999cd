#include "bench/driver/flags.h"

#include <utility>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "bench/driver/bench_server.h"
#include "bench/driver/sizes.h"
#include "bench/driver/subcommands.h"
#include "tideway/version.h"

namespace bench {
namespace {

absl::Status Refuse(const std::string& why, const std::string& where) {
  return absl::InvalidArgumentError(absl::StrCat(absl::StrReplaceAll(why, {{"\n", " "}}),
                                                 "; see tideway-bench ", where, "--help"));
}

// What CLI11 would only call missing.
absl::Status CheckSubcommand(const std::vector<std::string>& arguments) {
  if (arguments.empty() || absl::StartsWith(arguments[0], "-")) return absl::OkStatus();
  std::string known;
  for (const Subcommand& subcommand : Subcommands()) {
    if (arguments[0] == subcommand.name) return absl::OkStatus();
    absl::StrAppend(&known, known.empty() ? "" : ", ", subcommand.name);
  }
  return Refuse(absl::StrCat("there is no subcommand '", arguments[0], "'; there are ", known), "");
}

bool Named(const CLI::App& command, const char* option) {
  const CLI::Option* const found = command.get_option_no_throw(option);
  return found != nullptr && found->count() > 0;
}

// What can't be asked for together.
absl::Status CheckTogether(const Flags& flags) {
  const bool stages = flags.breakdown || !flags.outputs.trace.empty();
  if (stages && !flags.connect.empty()) {
    return absl::InvalidArgumentError(
        "--breakdown and --trace are for both ends on one host, since the clocks of two do not "
        "agree to microseconds; leave --connect out");
  }
  if (flags.links.empty()) return absl::OkStatus();
  const bool real = flags.transport_named || flags.raw || stages || !flags.connect.empty() ||
                    flags.wait != Flags().wait;
  if (!real) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "--link simulates a link in virtual time, where there is no --transport, --raw, --connect, "
      "--wait, --breakdown or --trace; leave that out");
}

absl::Status TakeLinks(const Texts& texts, Flags& flags) {
  for (const std::string& text : texts.links) {
    const absl::StatusOr<std::vector<Link>> links = ParseLinks(text);
    if (!links.ok()) return links.status();
    flags.links.insert(flags.links.end(), links->begin(), links->end());
  }
  if (flags.links.size() <= kLinksMax) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("there may be ", kLinksMax, " links at most"));
}

absl::Status TakeTexts(const Texts& texts, Flags& flags) {
  if (texts.sizes.empty() && texts.parameters.empty()) return absl::OkStatus();
  absl::StatusOr<std::vector<size_t>> sizes =
      texts.parameters.empty() ? ParseSizes(texts.sizes) : ParseParameters(texts.parameters);
  if (!sizes.ok()) return sizes.status();
  flags.sizes = *std::move(sizes);
  if (!texts.fragment.empty()) {
    const absl::StatusOr<size_t> fragment = ParseSize(texts.fragment);
    if (!fragment.ok()) return fragment.status();
    flags.fragment_bytes = *fragment;
  }
  absl::StatusOr<Placing> placing = ParsePlacing(texts.cpus, texts.numa);
  if (!placing.ok()) return placing.status();
  flags.placing = *std::move(placing);
  const absl::Status taken = TakeLinks(texts, flags);
  return taken.ok() ? CheckTogether(flags) : taken;
}

}  // namespace

// CLI11 throws; nothing of that leaves this function.
absl::StatusOr<Parsed> ParseFlags(const std::vector<std::string>& arguments) {
  const absl::Status known = CheckSubcommand(arguments);
  if (!known.ok()) return known;
  CLI::App app("Measures pushes and pulls over every transport, beside the bare libraries.",
               "tideway-bench");
  app.footer(kExamples);
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
  const absl::Span<const Subcommand> subcommands = Subcommands();
  std::vector<std::pair<Parsed, Texts>> of_each(subcommands.size());
  for (size_t i = 0; i < subcommands.size(); ++i) {
    auto& [parsed, texts] = of_each[i];
    parsed.flags.subcommand = subcommands[i].name;
    CLI::App* const command = app.add_subcommand(subcommands[i].name, subcommands[i].summary);
    command->footer(kExamples);
    subcommands[i].add(*command, parsed, texts);
  }
  const auto chosen = [&]() -> size_t {
    for (size_t i = 0; i < subcommands.size(); ++i) {
      if (app.got_subcommand(subcommands[i].name)) return i;
    }
    return subcommands.size();
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
    if (i < subcommands.size()) where = absl::StrCat(subcommands[i].name, " ");
    return Refuse(error.what(), where);
  }
  const size_t which = chosen();
  if (which == subcommands.size()) {
    if (server.server) return server;
    return Refuse("give a subcommand, or --server", "");
  }
  auto& [parsed, texts] = of_each[which];
  parsed.flags.transport_named = Named(*app.get_subcommand(parsed.flags.subcommand), "--transport");
  const absl::Status taken = TakeTexts(texts, parsed.flags);
  if (!taken.ok()) {
    return Refuse(std::string(taken.message()), absl::StrCat(parsed.flags.subcommand, " "));
  }
  return std::move(parsed);
}

}  // namespace bench
