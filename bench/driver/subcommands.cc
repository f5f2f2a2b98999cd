#include "bench/driver/subcommands.h"

#include <vector>

#include "CLI/CLI.hpp"
#include "bench/driver/result.h"

namespace bench {

const char* const kExamples = R"(Examples:
  tideway-bench push --transport tcp --size 64MiB --raw
  tideway-bench push --transport tcp --size 64MiB --codec identity --raw --json -
  tideway-bench push --transport tcp --codec int8 --breakdown --trace pushes.json
  tideway-bench push --link 10mbit..100gbit,1ms --codec identity --codec int8 --codec int4 --size 16MiB
  tideway-bench pull --transport ucx,ofi+net --size 4KiB..256MiB --json pulls.json
  tideway-bench latency --transport all --wait spin
  tideway-bench bandwidth --transport tcp --outstanding 8 --codec identity --codec int8
  tideway-bench incast --transport tcp --workers 2,128 --size 1MiB
  tideway-bench latency --transport ucx/sm --cpus 0/1 --numa 0
  tideway-bench raw --transport tcp,ucx/sm --form push,pull --size 4KiB..64MiB
  tideway-bench train-step --transport tcp --parameters 25M --every 50,500 --step-ms 20 --codec int8
  tideway-bench codec --codec int8 --codec "topk:density=0.01,values=int8" --size 1MiB..256MiB
  tideway-bench matrix --transport tcp,ucx --raw --json b.json --html b.html
  tideway-bench compare a.json b.json --threshold 5
  tideway-bench report b.json --csv - --svg pictures
  tideway-bench --server --listen tcp://10.0.0.7:7411                on one host, and on the other
  tideway-bench push --transport tcp,ucx/tcp --connect tcp://10.0.0.7:7411 --raw

Starts both ends on this host, as processes of their own, over loopback or shared memory. With --raw, the same bytes also go over the
bare library, in turn with Tideway's and at its best chunk size. All data is verified. GB/s count fp32 bytes, whatever the codec makes
of them. codec and push --link need no other process: the first measures no wire, the second simulates one in virtual time.
An interval holds the true median with 95 % confidence where there are six rounds or more.
How to read the figures, and the form of the JSON: docs/benchmarks.md.

Exit status: 0 done; 1 something could not be measured, or has become worse; 2 the command line asks for what does not exist.)";

namespace {

constexpr int kRoundsMax = 1000;
constexpr double kSecondsMax = 600;
constexpr size_t kOutstandingMax = 64;
constexpr size_t kWorkersMax = 4096;
constexpr size_t kInnerStepsMax = 1000000;
constexpr double kStepMsMax = 60000;

// --- groups of flags -----------------------------------------------------------------------------

void AddPages(CLI::App& app, Outputs& outputs) {
  app.add_option("--csv", outputs.csv, "the same as CSV")->type_name("FILE");
  app.add_option("--html", outputs.html, "the same as a page with pictures")->type_name("FILE");
  app.add_option("--svg", outputs.svg, "the pictures alone")->type_name("FOLDER");
}

void AddOutputs(CLI::App& app, Outputs& outputs) {
  app.add_option("--json", outputs.json, "write all figures there; - for standard output")
      ->type_name("FILE");
  AddPages(app, outputs);
}

void AddSizes(CLI::App& app, Texts& texts, const char* otherwise) {
  texts.sizes = otherwise;
  app.add_option("--size", texts.sizes,
                 "of the vector: 64MiB, a list, or a range: 4KiB..256MiB (times 4)")
      ->type_name("SIZE")
      ->capture_default_str();
}

void AddRounds(CLI::App& app, Flags& flags) {
  app.add_option("--rounds", flags.rounds, "each of fresh processes, where there are any")
      ->capture_default_str()
      ->check(CLI::Range(1, kRoundsMax));
  app.add_option("--seconds", flags.seconds, "that a round measures, after warming up")
      ->capture_default_str()
      ->check(CLI::Range(0.001, kSecondsMax));
}

void AddPlacing(CLI::App& app, Texts& texts) {
  app.add_option("--cpus", texts.cpus, "processors of both ends, or of worker and server: 0-3/4-7")
      ->type_name("LIST[/LIST]");
  app.add_option("--numa", texts.numa,
                 "NUMA node of both ends' memory and, without --cpus, their processors")
      ->type_name("NODE");
}

// Over which wire, and how.
void AddWire(CLI::App& app, Flags& flags, Texts& texts) {
  app.add_option("--transport", flags.transports,
                 "providers, transports, auto or all (see tideway transports)")
      ->delimiter(',')
      ->type_name("NAME[,NAME...]")
      ->capture_default_str();
  app.add_option("--wait", flags.wait, "how both ends wait: block or spin")
      ->capture_default_str()
      ->check(CLI::IsMember({"block", "spin"}));
  app.add_option("--congestion", flags.congestion, "congestion control of tcp and raw sockets")
      ->type_name("NAME");
  app.add_option("--connect", flags.connect,
                 "of a tideway-bench --server, which then has the server's end")
      ->type_name("tcp://HOST:PORT");
  AddPlacing(app, texts);
}

void AddCodecs(CLI::App& app, Flags& flags) {
  app.add_option("--codec", flags.codecs, "of the pushes; give it again for another one")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("CODEC")
      ->capture_default_str();
}

void AddFragment(CLI::App& app, Texts& texts) {
  app.add_option("--fragment", texts.fragment, "of Tideway's fragments")->type_name("SIZE");
}

void AddOutstanding(CLI::App& app, Flags& flags, size_t otherwise) {
  flags.outstanding = otherwise;
  app.add_option("--outstanding", flags.outstanding, "pushes that are not acknowledged yet")
      ->capture_default_str()
      ->check(CLI::Range(size_t{1}, kOutstandingMax));
}

// Everything that moves bytes through Tideway.
void AddMoves(CLI::App& app, Parsed& parsed, Texts& texts, const char* sizes) {
  Flags& flags = parsed.flags;
  flags.forms = {app.get_name()};
  AddWire(app, flags, texts);
  AddSizes(app, texts, sizes);
  AddCodecs(app, flags);
  app.add_flag("--raw", flags.raw, "measure the bare library beside Tideway, in turn");
  app.add_option("--delta", flags.delta,
                 "the worker's memory: shared, where the server can read it, or its own")
      ->capture_default_str()
      ->check(CLI::IsMember({"shared", "own"}));
  app.add_option("--completions", flags.completions,
                 "where the worker's are called: at-once (where they arise) or executor")
      ->capture_default_str()
      ->check(CLI::IsMember({"at-once", "executor"}));
  AddFragment(app, texts);
  AddRounds(app, flags);
  AddOutputs(app, flags.outputs);
}

// How long the stages of pushes take.
void AddStages(CLI::App& app, Flags& flags) {
  app.add_flag("--breakdown", flags.breakdown,
               "a table of the stages of a push: queue, encode, send, ... ack");
  app.add_option("--trace", flags.outputs.trace,
                 "the latest pushes as Chrome's trace events, which Perfetto shows")
      ->type_name("FILE");
}

// --- subcommands ---------------------------------------------------------------------------------

void AddPull(CLI::App& app, Parsed& parsed, Texts& texts) { AddMoves(app, parsed, texts, "64MiB"); }

void AddPushes(CLI::App& app, Parsed& parsed, Texts& texts) {
  AddMoves(app, parsed, texts, "64MiB");
  AddStages(app, parsed.flags);
}

void AddPush(CLI::App& app, Parsed& parsed, Texts& texts) {
  AddPushes(app, parsed, texts);
  app.add_option("--link", texts.links,
                 "simulate that link in place of a transport: RATE,DELAY,LOSS; the rate may be a "
                 "range (times "
                 "10); give it again for another one")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("LINK");
}

void AddLatency(CLI::App& app, Parsed& parsed, Texts& texts) {
  AddMoves(app, parsed, texts, "4KiB");
  AddStages(app, parsed.flags);
}

void AddBandwidth(CLI::App& app, Parsed& parsed, Texts& texts) {
  AddMoves(app, parsed, texts, "64MiB");
  AddOutstanding(app, parsed.flags, 4);
  AddStages(app, parsed.flags);
}

void AddIncast(CLI::App& app, Parsed& parsed, Texts& texts) {
  AddMoves(app, parsed, texts, "4MiB");
  parsed.flags.workers = {2, 8, 32, 128};
  app.add_option("--workers", parsed.flags.workers, "that push, each one push at a time")
      ->delimiter(',')
      ->type_name("N[,N...]")
      ->capture_default_str()
      ->check(CLI::Range(size_t{1}, kWorkersMax));
}

void AddMatrix(CLI::App& app, Parsed& parsed, Texts& texts) {
  parsed.flags.transports = {"all"};
  AddMoves(app, parsed, texts, "4KiB..64MiB");
  parsed.flags.forms = {"push", "pull"};
}

void AddRaw(CLI::App& app, Parsed& parsed, Texts& texts) {
  Flags& flags = parsed.flags;
  flags.forms = {"push"};
  AddWire(app, flags, texts);
  app.add_option("--form", flags.forms, "push, pull or push-pull")
      ->delimiter(',')
      ->type_name("FORM[,FORM...]")
      ->capture_default_str()
      ->check(CLI::IsMember({"push", "pull", "push-pull"}));
  AddSizes(app, texts, "64MiB");
  AddOutstanding(app, flags, 1);
  AddRounds(app, flags);
  AddOutputs(app, flags.outputs);
}

void AddTrainStep(CLI::App& app, Parsed& parsed, Texts& texts) {
  Flags& flags = parsed.flags;
  flags.seconds = 2;
  texts.parameters = "16M";
  AddWire(app, flags, texts);
  AddCodecs(app, flags);
  app.add_option("--parameters", texts.parameters, "of the model: 25M or 1M,100M")
      ->type_name("N[,N...]")
      ->capture_default_str();
  app.add_option("--every", flags.inner_steps, "inner steps between two exchanges (H)")
      ->delimiter(',')
      ->type_name("H[,H...]")
      ->capture_default_str()
      ->check(CLI::Range(size_t{1}, kInnerStepsMax));
  app.add_option("--step-ms", flags.step_ms, "that an inner step computes")
      ->capture_default_str()
      ->check(CLI::Range(0.01, kStepMsMax));
  app.add_flag("!--no-overlap", flags.overlap,
               "wait for every exchange before the next inner step");
  AddFragment(app, texts);
  AddRounds(app, flags);
  AddOutputs(app, flags.outputs);
}

void AddCodec(CLI::App& app, Parsed& parsed, Texts& texts) {
  Flags& flags = parsed.flags;
  flags.codecs = {"identity", "bf16", "int8", "int4", "topk:density=0.01,values=int8"};
  AddCodecs(app, flags);
  AddSizes(app, texts, "64MiB");
  AddFragment(app, texts);
  AddPlacing(app, texts);
  AddRounds(app, flags);
  AddOutputs(app, flags.outputs);
}

void AddCompare(CLI::App& app, Parsed& parsed, Texts&) {
  app.add_option("runs", parsed.files, "JSON of two runs, the older one first")
      ->type_name("FILE")
      ->expected(2)
      ->required();
  app.add_option("--threshold", parsed.threshold_percent,
                 "percent that a case may become worse by, where that is no chance")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 100.0));
}

void AddReport(CLI::App& app, Parsed& parsed, Texts&) {
  app.add_option("run", parsed.files, "JSON of a run")->type_name("FILE")->expected(1)->required();
  AddPages(app, parsed.flags.outputs);
}

constexpr Subcommand kSubcommands[] = {
    {"push", "one push at a time, from a worker into a server's vector", AddPush},
    {"pull", "one pull at a time, from a server's vector into a worker's", AddPull},
    {"latency", "from a small push to its acknowledgement; ratios are of the median", AddLatency},
    {"bandwidth", "pushes, several under way at a time", AddBandwidth},
    {"push-pull", "a push, and the pull that has it, as a worker's cycle does", AddPushes},
    {"bidir", "a push and a pull at the same time", AddPushes},
    {"incast", "many workers push to one server, while another one pushes 4 KiB", AddIncast},
    {kRawSubcommand, "the same bytes over the bare library alone, without Tideway", AddRaw},
    {kCodecSubcommand, "how quick codecs are where there is no wire, against memcpy", AddCodec},
    {kTrainSubcommand, "what communication leaves of a training worker's time", AddTrainStep},
    {"matrix", "pushes and pulls of all sizes, over all transports", AddMatrix},
    {"compare", "two runs, case by case; fails on a regression", AddCompare},
    {"report", "a run's JSON as CSV, as a page or as pictures", AddReport},
};

}  // namespace

absl::Span<const Subcommand> Subcommands() { return kSubcommands; }

}  // namespace bench
