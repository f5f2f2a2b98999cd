#include "trainer/flags.h"

#include <algorithm>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "tideway/version.h"
#include "trainer/file_io.h"

namespace tideway::trainer {
namespace {

constexpr size_t kRunFileBytesMax = 1 << 20;

constexpr char kFooter[] = R"(Examples:
  tideway-train --data kjv.txt                         1 server, 2 workers, as processes, here
  tideway-train --data texts/ --workers 2 --slow 1,3   the second worker three times slower
  tideway-train --data kjv.txt --method sync-diloco    the synchronous baseline
  tideway-train --data kjv.txt --preset slow-link      100 to 300 times fewer bytes up
  tideway-train --resume tideway-run                   go on after Ctrl-C

By hand, on any machines (the same model, data and seed flags on each, or --run run.json):
  head$ tideway-train --role server --listen tcp://0.0.0.0:5000 --workers 2
  a$    tideway-train --role worker --connect tcp://head:5000 --worker-index 0 --data kjv.txt
  b$    tideway-train --role worker --connect tcp://head:5000 --worker-index 1 --data kjv.txt

Exit status: 0 done, or ended by Ctrl-C with a checkpoint; 1 the run failed; 2 it never started.)";

struct Extras {
  std::string preset;
  bool no_dylu = false, no_grace = false;
  bool version = false;
};

void AddRunFlags(CLI::App* app, Settings* s, Extras* extras) {
  const char* group = "The run";
  app->add_option("--data", s->data, "text to learn: files or folders, plain or .gz")
      ->delimiter(',')
      ->group(group);
  app->add_option("--out", s->out, "folder for report, metrics, model and checkpoints")
      ->capture_default_str()
      ->group(group);
  app->add_option("--workers", s->workers, "number of workers")
      ->capture_default_str()
      ->group(group);
  app->add_option("--servers", s->servers, "number of servers that share the model")
      ->capture_default_str()
      ->group(group);
  app->add_option("--steps", s->steps, "inner steps per worker, on average")
      ->capture_default_str()
      ->group(group);
  app->add_option("--seed", s->seed, "of the initial model and all sampling")
      ->capture_default_str()
      ->group(group);
  app->add_option("--resume", s->resume, "go on with the run of this folder")->group(group);
  app->add_option("--run", s->run_file, "take all settings from a run.json; flags win over it")
      ->group(group);
  app->add_option("--transport", s->transport,
                  "of a local run: a transport such as tcp, or auto for the quickest that is there")
      ->capture_default_str()
      ->group(group);
  app->add_option("--slow", s->slow, "how many times slower each worker is, e.g. 1,3")
      ->delimiter(',')
      ->group(group);
  app->add_option("--threads", s->threads, "LibTorch threads per worker")
      ->capture_default_str()
      ->group(group);
  app->add_flag("--restart-workers", s->restart_workers, "restart a worker that dies")
      ->group(group);
  app->add_flag("--plain", s->plain, "plain lines, also on a terminal")->group(group);
  app->add_flag("--version", extras->version, "print the version")->group(group);
}

void AddMethodFlags(CLI::App* app, Settings* s, Extras* extras) {
  const char* group = "Local-SGD";
  app->add_option("--method", s->method, absl::StrJoin(Methods(), " | "))
      ->capture_default_str()
      ->group(group);
  app->add_option("--inner-steps", s->inner_steps, "H: inner steps of the fastest worker per push")
      ->capture_default_str()
      ->group(group);
  app->add_option("--outer", s->outer, "outer optimizer, e.g. sgd:lr=0.5; default: the method's")
      ->group(group);
  app->add_option("--codec", s->codec,
                  "of deltas, up: identity | bf16 | int8:block=256 | int4 | "
                  "topk:density=0.01,values=int8 | auto (the quickest of identity, bf16, int8)")
      ->capture_default_str()
      ->group(group);
  app->add_option("--codec-down", s->codec_down, "of parameters, down: identity | bf16")
      ->capture_default_str()
      ->group(group);
  app->add_option("--pull-differences", s->pull_differences,
                  "pulls bring what changed, encoded with this codec, e.g. int8:block=256 or "
                  "sparse_lossless; default: all parameters, with --codec-down")
      ->group(group);
  app->add_flag("--error-feedback,!--no-error-feedback", s->error_feedback,
                "what a lossy codec leaves out goes with the next push; default: on")
      ->group(group);
  app->add_option("--momentum-correction", s->momentum_correction,
                  "of sparse deltas (DGC), 0 to 0.999; 0: off")
      ->capture_default_str()
      ->group(group);
  app->add_option("--residual-decay", s->residual_decay, "of error feedback, 0 to 1")
      ->capture_default_str()
      ->group(group);
  app->add_option("--preset", extras->preset, "slow-link: outer SGD, top-k 1 % as int8, decay 0.95")
      ->group(group);
  app->add_option("--overlap", s->overlap, "inner steps that run while an exchange is under way")
      ->capture_default_str()
      ->group(group);
  app->add_option("--merge", s->merge, "with --overlap: rebase | alpha")
      ->capture_default_str()
      ->group(group);
  app->add_option("--staleness", s->staleness, "accept | weight:power=0.5 | bound:max=10")
      ->capture_default_str()
      ->group(group);
  app->add_flag("--no-dylu", extras->no_dylu, "slow workers take H steps too")->group(group);
  app->add_flag("--no-grace", extras->no_grace, "release each worker as soon as it has pushed")
      ->group(group);
  app->add_option("--fragment-bytes", s->fragment_bytes, "unit of transfer, fp32 bytes")
      ->capture_default_str()
      ->group(group);
}

void AddModelFlags(CLI::App* app, Settings* s) {
  const char* group = "Model and inner optimizer";
  app->add_option("--layers", s->model.layers, "transformer blocks")
      ->capture_default_str()
      ->group(group);
  app->add_option("--heads", s->model.heads, "attention heads")
      ->capture_default_str()
      ->group(group);
  app->add_option("--width", s->model.width, "residual stream")
      ->capture_default_str()
      ->group(group);
  app->add_option("--context", s->model.context, "bytes")->capture_default_str()->group(group);
  app->add_option("--batch", s->batch, "windows per inner step")
      ->capture_default_str()
      ->group(group);
  app->add_option("--lr", s->schedule.peak, "AdamW's peak learning rate")
      ->capture_default_str()
      ->group(group);
  app->add_option("--final-lr", s->schedule.final_ratio, "final rate, as a share of the peak")
      ->capture_default_str()
      ->group(group);
  app->add_option("--warmup", s->schedule.warmup_share, "share of the schedule")
      ->capture_default_str()
      ->group(group);
}

void AddEvaluationFlags(CLI::App* app, Settings* s) {
  const char* group = "Evaluation and checkpoints";
  app->add_option("--held-out", s->held_out_percent, "percent of the text kept from training")
      ->capture_default_str()
      ->group(group);
  app->add_option("--eval-batches", s->eval_batches, "batches of 64 windows per evaluation")
      ->capture_default_str()
      ->group(group);
  app->add_option("--eval-seconds", s->eval_seconds, "between evaluations")
      ->capture_default_str()
      ->group(group);
  app->add_option("--snapshot-seconds", s->snapshot_seconds,
                  "between snapshots; 0: only at the end")
      ->capture_default_str()
      ->group(group);
  app->add_option("--prompt", s->prompt, "start of the text sample")->group(group);
  app->add_option("--sample-bytes", s->sample_bytes, "length of the text sample")
      ->capture_default_str()
      ->group(group);
}

void AddRoleFlags(CLI::App* app, Settings* s) {
  const char* group = "One process by hand";
  app->add_option("--role", s->role, "local | server | worker")
      ->capture_default_str()
      ->group(group);
  app->add_option("--connect", s->connect, "worker: URI of each server, in order")
      ->delimiter(',')
      ->group(group);
  app->add_option("--listen", s->listen, "server: URI to bind; port 0 takes a free one")
      ->delimiter(',')
      ->group(group);
  app->add_option("--server-index", s->server_index, "server: which of --servers; 0 leads")
      ->capture_default_str()
      ->group(group);
  app->add_option("--worker-index", s->worker_index, "worker: which of --workers")
      ->capture_default_str()
      ->group(group);
  app->add_option("--name", s->name, "worker: its name; default worker-<index>")->group(group);
  app->add_flag("--continued", s->continued, "start from the snapshot and checkpoint in --out")
      ->group(group);
}

// Addresses are separated by commas and may hold some: a piece without a scheme belongs to the one before.
std::vector<std::string> WholeAddresses(const std::vector<std::string>& pieces) {
  std::vector<std::string> addresses;
  for (const std::string& piece : pieces) {
    if (addresses.empty() || absl::StrContains(piece, "://")) {
      addresses.push_back(piece);
    } else {
      absl::StrAppend(&addresses.back(), ",", piece);
    }
  }
  return addresses;
}

// The value of --name VALUE or --name=VALUE, where it stands.
std::string FindValue(const std::vector<std::string>& arguments, const std::string& flag) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    absl::string_view rest = arguments[i];
    if (!absl::ConsumePrefix(&rest, flag)) continue;
    if (absl::ConsumePrefix(&rest, "=")) return std::string(rest);
    if (rest.empty() && i + 1 < arguments.size()) return arguments[i + 1];
  }
  return "";
}

// Puts the values of a former run under those of the command line.
absl::Status LoadFormerRun(const std::vector<std::string>& arguments, Settings* settings) {
  const std::string folder = FindValue(arguments, "--resume");
  const std::string file =
      folder.empty() ? FindValue(arguments, "--run") : absl::StrCat(folder, "/run.json");
  if (file.empty()) return absl::OkStatus();
  absl::StatusOr<std::string> text = ReadFile(file, kRunFileBytesMax);
  if (!text.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(text.status().message(), folder.empty() ? "" : " Is it the folder of a run?"));
  }
  if (absl::Status status = FromJson(*text, settings); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": ", status.message(), "."));
  }
  if (!folder.empty()) settings->out = folder;
  return absl::OkStatus();
}

std::string OneLine(const std::string& text) {
  std::string line = absl::StrReplaceAll(text, {{"\n", " "}});
  if (!line.empty() && line.back() != '.') line += '.';
  return line;
}

// CLI11 throws; nothing of that leaves this function.
absl::StatusOr<std::optional<std::string>> Parse(CLI::App* app,
                                                 const std::vector<std::string>& arguments) {
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    app->parse(std::move(reversed));
  } catch (const CLI::CallForHelp&) {
    return app->help();
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(
        absl::StrCat(OneLine(error.what()), " See tideway-train --help."));
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<ParsedFlags> ParseFlags(const std::vector<std::string>& arguments) {
  ParsedFlags parsed;
  Settings& settings = parsed.settings;
  if (absl::Status s = LoadFormerRun(arguments, &settings); !s.ok()) return s;
  const Settings before = settings;

  Extras extras;
  CLI::App app("Trains a byte-level GPT by asynchronous Local-SGD.", "tideway-train");
  app.footer(kFooter);
  app.get_formatter()->column_width(34);
  AddRunFlags(&app, &settings, &extras);
  AddMethodFlags(&app, &settings, &extras);
  AddModelFlags(&app, &settings);
  AddEvaluationFlags(&app, &settings);
  AddRoleFlags(&app, &settings);
  absl::StatusOr<std::optional<std::string>> answer = Parse(&app, arguments);
  if (!answer.ok()) return answer.status();
  if (extras.version) answer = absl::StrCat("tideway-train ", kVersion, "\n");
  if (answer->has_value()) {
    parsed.answer = std::move(*answer);
    return parsed;
  }

  if (!extras.preset.empty()) {
    if (absl::Status s = ApplyPreset(extras.preset, &settings); !s.ok()) return s;
    // What was given by name wins over the preset.
    if (app.count("--codec") > 0) settings.codec = FindValue(arguments, "--codec");
    if (app.count("--outer") > 0) settings.outer = FindValue(arguments, "--outer");
    if (app.count("--residual-decay") > 0) {
      settings.residual_decay = app["--residual-decay"]->as<double>();
    }
  }
  settings.connect = WholeAddresses(settings.connect);
  settings.listen = WholeAddresses(settings.listen);
  if (extras.no_dylu) settings.dylu = false;
  if (extras.no_grace) settings.grace = false;
  if (settings.role == "worker" && app.count("--servers") == 0 && settings.run_file.empty()) {
    settings.servers = static_cast<int>(std::max<size_t>(1, settings.connect.size()));
  }
  if (!settings.resume.empty()) {
    const std::string difference = FirstFixedDifference(before, settings);
    if (!difference.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--", difference, " can't change when a run is resumed; leave it out, or start anew."));
    }
  }
  if (absl::Status s = ValidateSettings(settings); !s.ok()) return s;
  return parsed;
}

}  // namespace tideway::trainer
