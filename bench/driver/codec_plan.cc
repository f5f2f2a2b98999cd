#include "bench/driver/codec_plan.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/driver/codec_speed.h"
#include "bench/driver/pair.h"
#include "bench/driver/placing.h"
#include "bench/driver/result.h"
#include "tideway/builtin_codecs.h"
#include "tideway/limits.h"
#include "tools/size_text.h"
#include "tools/text_table.h"

namespace bench {
namespace {

using Json = nlohmann::json;
using tideway::tools::SizeText;
using tideway::tools::TextTable;

struct Measurement {
  Case what;
  CodecSpeed speed;
};

const CodecTurn& TurnOf(const CodecRound& round, CodecWork work) {
  return round[static_cast<size_t>(work)];
}

// What both ends do of a push: encode with error feedback, then decode and add, one after the other.
Measured BothEnds(const CodecRound& round) {
  const CodecTurn& encode = TurnOf(round, CodecWork::kEncodeFeedback);
  const CodecTurn& decode = TurnOf(round, CodecWork::kDecodeAdd);
  const double decoded_as_often = encode.bytes / decode.bytes;
  return {.latencies = encode.latencies,
          .bytes = static_cast<uint64_t>(encode.bytes),
          .seconds = encode.seconds + decode.seconds * decoded_as_often,
          .client_cpu_s = encode.cpu_s,
          .server_cpu_s = decode.cpu_s * decoded_as_often};
}

Json WorkJson(const CodecSpeed& speed, CodecWork work) {
  const Estimate rate = speed.Rate(work);
  Json json = {{"gbytes_per_s", rate.median}, {"interval", {rate.low, rate.high}}};
  if (work == CodecWork::kMemcpy) return json;
  const Estimate ratio = speed.RatioToMemcpy(work);
  json["ratio_to_memcpy"] = ratio.median;
  json["ratio_to_memcpy_interval"] = {ratio.low, ratio.high};
  return json;
}

Json ToJson(const Measurement& measurement) {
  std::vector<Measured> rounds;
  for (const CodecRound& round : measurement.speed.rounds) rounds.push_back(BothEnds(round));
  Json json = CaseJson(measurement.what);
  json.update(SideJson(rounds));
  json["verified"] = true;
  json["bytes_per_fp32_byte"] = measurement.speed.bytes_per_fp32_byte;
  json["memcpy"] = WorkJson(measurement.speed, CodecWork::kMemcpy);
  json["encode"] = WorkJson(measurement.speed, CodecWork::kEncode);
  json["encode_feedback"] = WorkJson(measurement.speed, CodecWork::kEncodeFeedback);
  json["decode_add"] = WorkJson(measurement.speed, CodecWork::kDecodeAdd);
  return json;
}

absl::StatusOr<Measurement> MeasureOne(const Case& what, const Flags& flags, Progress& progress) {
  const auto codec = tideway::BuiltinCodecs().Create(what.codec);
  if (!codec.ok()) return codec.status();
  const auto show = [&](const std::string& step) {
    progress.Begin(absl::StrCat(NameOf(what), ": ", step));
  };
  absl::StatusOr<CodecSpeed> speed;
  const absl::Status placed = RunPlaced(flags.placing, [&] {
    speed = MeasureCodec(
        **codec, {.bytes = what.size_bytes,
                  .fragment_bytes = flags.fragment_bytes > 0 ? flags.fragment_bytes
                                                             : tideway::kFragmentBytesDefault,
                  .rounds = flags.rounds,
                  .round = absl::Seconds(flags.seconds),
                  .on_step = show});
  });
  if (!placed.ok()) return placed;
  if (!speed.ok()) return speed.status();
  return Measurement{what, *std::move(speed)};
}

std::string TableOf(const std::vector<Measurement>& measurements) {
  TextTable table({{"codec"},
                   {"size", TextTable::kRight},
                   {"encode GB/s", TextTable::kRight},
                   {"of memcpy", TextTable::kRight},
                   {"with feedback GB/s", TextTable::kRight},
                   {"of memcpy", TextTable::kRight},
                   {"interval", TextTable::kRight},
                   {"decode-add GB/s", TextTable::kRight},
                   {"of memcpy", TextTable::kRight},
                   {"interval", TextTable::kRight},
                   {"bytes per fp32 byte", TextTable::kRight},
                   {"memcpy GB/s", TextTable::kRight}});
  for (const auto& [what, speed] : measurements) {
    const auto rate = [&speed = speed](CodecWork work) {
      return absl::StrFormat("%.2f", speed.Rate(work).median);
    };
    const auto ratio = [&speed = speed](CodecWork work) {
      return absl::StrFormat("%.2f", speed.RatioToMemcpy(work).median);
    };
    const auto interval = [&speed = speed](CodecWork work) {
      const Estimate estimate = speed.RatioToMemcpy(work);
      return absl::StrFormat("%.2f-%.2f", estimate.low, estimate.high);
    };
    table.AddRow({what.codec, SizeText(what.size_bytes), rate(CodecWork::kEncode),
                  ratio(CodecWork::kEncode), rate(CodecWork::kEncodeFeedback),
                  ratio(CodecWork::kEncodeFeedback), interval(CodecWork::kEncodeFeedback),
                  rate(CodecWork::kDecodeAdd), ratio(CodecWork::kDecodeAdd),
                  interval(CodecWork::kDecodeAdd),
                  absl::StrFormat("%.4f", speed.bytes_per_fp32_byte), rate(CodecWork::kMemcpy)});
  }
  return table.ToString();
}

}  // namespace

Plan CodecPlan(const Flags& flags) {
  Plan plan;
  for (const std::string& codec : flags.codecs) {
    for (const size_t size : flags.sizes) {
      plan.cases.push_back({.subcommand = kCodecSubcommand,
                            .transport = kNoTransport,
                            .size_bytes = size,
                            .codec = codec});
      plan.steps += 1 + static_cast<size_t>(flags.rounds);
    }
  }
  const auto measurements = std::make_shared<std::vector<Measurement>>();
  plan.measure = [measurements, &flags](const Case& what,
                                        Progress& progress) -> absl::StatusOr<Json> {
    auto measurement = MeasureOne(what, flags, progress);
    if (!measurement.ok()) return measurement.status();
    measurements->push_back(*std::move(measurement));
    return ToJson(measurements->back());
  };
  plan.table = [measurements] { return TableOf(*measurements); };
  return plan;
}

}  // namespace bench
