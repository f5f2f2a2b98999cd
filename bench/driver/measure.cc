#include "bench/driver/measure.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "bench/driver/pair.h"
#include "tools/size_text.h"

namespace bench {
namespace {

using tideway::tools::SizeText;

constexpr size_t kRoundsWithStages = 16;  // the latest; more would only take memory
constexpr absl::Duration kTrial = absl::Milliseconds(150);

const char* FormOf(const Case& what) {
  if (!what.form.empty()) return what.form.c_str();
  const bool pushes = what.subcommand == "latency" || what.subcommand == "bandwidth";
  return pushes ? "push" : what.subcommand.c_str();
}

Load LoadOf(const Case& what, const MeasureSettings& settings) {
  return {.form = FormOf(what),
          .bytes = what.size_bytes,
          .outstanding = settings.outstanding,
          .workers = what.workers,
          .inner_steps = what.inner_steps,
          .step = settings.step,
          .overlap = settings.overlap,
          .spin = settings.spin,
          .completions = settings.completions,
          .delta = settings.delta,
          .codec = what.codec,
          .stages = settings.stages};
}

class Rounds {
 public:
  Rounds(const Case& what, const MeasureSettings& settings,
         const tideway::TransportRegistry& transports, Host& host, Progress& progress)
      : settings_(settings),
        transports_(transports),
        host_(host),
        progress_(progress),
        load_(LoadOf(what, settings)) {
    result_.what = what;
  }

  absl::StatusOr<Result> Run() {
    if (result_.only_raw()) return RunRaw();
    auto ours = TidewayPair(transports_, result_.what.transport, load_, settings_.wire);
    if (!ours.ok()) return ours.status();
    const absl::Status found = FindRaw();
    if (!found.ok()) return found;
    for (int round = 0; round < settings_.rounds; ++round) {
      const bool raw_first = round % 2 == 0;
      absl::Status status;
      if (raw_first) status.Update(MeasureRaw(round));
      status.Update(MeasureOne("Tideway", round, *ours, &result_.rounds));
      if (!raw_first) status.Update(MeasureRaw(round));
      if (!status.ok()) return status;
    }
    return std::move(result_);
  }

 private:
  // Nothing but the raw program.
  absl::StatusOr<Result> RunRaw() {
    absl::Status status = FindRaw();
    for (int round = 0; status.ok() && round < settings_.rounds; ++round) {
      status = MeasureOne("raw", round, raw_, &result_.rounds);
    }
    if (!status.ok()) return status;
    return std::move(result_);
  }

  // Which raw program, and the chunk with which it is quickest.
  absl::Status FindRaw() {
    if (!settings_.raw && !result_.only_raw()) return absl::OkStatus();
    double best = 0;
    const std::vector<size_t> chunks = RawChunks(load_.bytes);
    for (const size_t chunk : chunks) {
      auto raw = RawPair(result_.what.transport, load_, chunk, settings_.wire);
      if (absl::IsNotFound(raw.status()) && !result_.only_raw()) return absl::OkStatus();
      if (!raw.ok()) return NoRaw(raw.status());
      result_.raw_program = raw->program;
      if (chunks.size() > 1) {
        Show(absl::StrCat("raw in chunks of ", SizeText(chunk)));
        const auto tried = MeasurePair(*raw, host_, kTrial);
        if (!tried.ok()) return tried.status();
        if (tried->goodput_gbytes_per_s() <= best) continue;
        best = tried->goodput_gbytes_per_s();
      }
      result_.raw_chunk_bytes = chunk;
      raw_ = *std::move(raw);
    }
    return absl::OkStatus();
  }

  absl::Status NoRaw(const absl::Status& why) const {
    if (result_.only_raw()) return why;
    return {why.code(), absl::StrCat(why.message(), ", or leave --raw out")};
  }

  absl::Status MeasureRaw(int round) {
    if (result_.raw_program.empty()) return absl::OkStatus();
    return MeasureOne("raw", round, raw_, &result_.raw_rounds);
  }

  absl::Status MeasureOne(const char* side, int round, const PairCommand& pair,
                          std::vector<Measured>* rounds) {
    Show(absl::StrCat(side, ", round ", round + 1, " of ", settings_.rounds));
    absl::StatusOr<Measured> measured = MeasurePair(pair, host_, settings_.repetition);
    if (!measured.ok()) return measured.status();
    rounds->push_back(*std::move(measured));
    if (rounds->size() > kRoundsWithStages) {
      std::vector<FragmentTimes>().swap(
          (*rounds)[rounds->size() - 1 - kRoundsWithStages].fragments);
    }
    return absl::OkStatus();
  }

  void Show(const std::string& step) {
    const Case& what = result_.what;
    progress_.Begin(absl::StrCat(NameOf(what), ": ", step));
  }

  const MeasureSettings& settings_;
  const tideway::TransportRegistry& transports_;
  Host& host_;
  Progress& progress_;
  const Load load_;
  PairCommand raw_;
  Result result_;
};

}  // namespace

size_t StepsOf(const Case& what, const MeasureSettings& settings) {
  const auto rounds = static_cast<size_t>(settings.rounds);
  const bool only_raw = what.subcommand == kRawSubcommand;
  if (!only_raw && (!settings.raw || !HasRaw(what.transport, FormOf(what)))) return rounds;
  const size_t chunks = RawChunks(what.size_bytes).size();
  return (only_raw ? 1 : 2) * rounds + (chunks > 1 ? chunks : 0);
}

absl::StatusOr<Result> Measure(const Case& what, const MeasureSettings& settings,
                               const tideway::TransportRegistry& transports, Host& host,
                               Progress& progress) {
  return Rounds(what, settings, transports, host, progress).Run();
}

}  // namespace bench
