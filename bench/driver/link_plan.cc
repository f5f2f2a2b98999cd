#include "bench/driver/link_plan.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "bench/driver/codec_speed.h"
#include "bench/driver/crossover.h"
#include "bench/driver/pair.h"
#include "bench/driver/placing.h"
#include "bench/driver/result.h"
#include "bench/driver/simulated_pushes.h"
#include "tideway/builtin_codecs.h"
#include "tideway/limits.h"

namespace bench {
namespace {

using Json = nlohmann::json;

constexpr char kTransport[] = "sim";
constexpr char kCongestion[] = "cubic";     // Linux's default
constexpr size_t kBytesToTime = 16u << 20;  // of a codec: more says no more

size_t FragmentBytes(const Flags& flags) {
  return flags.fragment_bytes > 0 ? flags.fragment_bytes : tideway::kFragmentBytesDefault;
}

std::string CongestionOf(const Flags& flags) {
  return flags.congestion.empty() ? kCongestion : flags.congestion;
}

double SecondsPerByte(double gbytes_per_s) { return 1 / (gbytes_per_s * 1e9); }

class LinkRun {
 public:
  explicit LinkRun(const Flags& flags) : flags_(flags) {}

  absl::StatusOr<Json> Measure(const Case& what, const Link& link, Progress& progress) {
    auto speed = SpeedOf(what, progress);
    if (!speed.ok()) return speed.status();
    progress.Begin(absl::StrCat(NameOf(what), ": in virtual time"));
    // Rounds that differ in the codec's speed alone.
    std::vector<Measured> rounds;
    for (const CodecPrice& price : PricesOf(**speed)) {
      auto measured = Simulate(SetUp(what, link, price));
      if (!measured.ok()) return measured.status();
      rounds.push_back(*std::move(measured));
    }
    return ToJson(what, link, **speed, rounds);
  }

  const std::vector<LinkGoodput>& goodputs() const { return goodputs_; }

 private:
  // Measured once for each codec and size.
  absl::StatusOr<const CodecSpeed*> SpeedOf(const Case& what, Progress& progress) {
    const auto key = std::pair(what.codec, std::min(what.size_bytes, kBytesToTime));
    const auto known = speeds_.find(key);
    if (known != speeds_.end()) return &known->second;
    const auto codec = tideway::BuiltinCodecs().Create(what.codec);
    if (!codec.ok()) return codec.status();
    absl::StatusOr<CodecSpeed> speed;
    const absl::Status placed = RunPlaced(flags_.placing, [&] {
      speed = MeasureCodec(**codec,
                           {.bytes = key.second,
                            .fragment_bytes = FragmentBytes(flags_),
                            .rounds = flags_.rounds,
                            .round = absl::Seconds(flags_.seconds),
                            .on_step = [&](const std::string& step) {
                              progress.Begin(absl::StrCat(what.codec, " without a link: ", step));
                            }});
    });
    if (!placed.ok()) return placed;
    if (!speed.ok()) return speed.status();
    return &speeds_.emplace(key, *std::move(speed)).first->second;
  }

  // At its median, and as quick and as slow as it may be.
  static std::vector<CodecPrice> PricesOf(const CodecSpeed& speed) {
    const Estimate encode = speed.Rate(CodecWork::kEncodeFeedback);
    const Estimate decode = speed.Rate(CodecWork::kDecodeAdd);
    std::vector<CodecPrice> prices;
    for (const double Estimate::*rate : {&Estimate::median, &Estimate::low, &Estimate::high}) {
      prices.push_back({SecondsPerByte(encode.*rate), SecondsPerByte(decode.*rate)});
    }
    return prices;
  }

  SimulatedPushes SetUp(const Case& what, const Link& link, const CodecPrice& price) const {
    return {.delay = link.delay,
            .bytes_per_second = *TcpBytesPerSecond(link, CongestionOf(flags_)),
            .bytes = what.size_bytes,
            .fragment_bytes = FragmentBytes(flags_),
            .codec = what.codec,
            .price = price,
            .cores = flags_.placing.WorkerCores(std::max(1u, std::thread::hardware_concurrency()))};
  }

  Json ToJson(const Case& what, const Link& link, const CodecSpeed& speed,
              const std::vector<Measured>& rounds) {
    Json json = CaseJson(what);
    json.update(SideJson(rounds));
    const Estimate encode = speed.Rate(CodecWork::kEncodeFeedback);
    json["confidence"] = encode.confidence;  // of the codec's speed, which the interval is from
    json["verified"] = true;
    json["virtual_time"] = true;
    json["link_bits_per_s"] = link.bits_per_second;
    json["link_delay_us"] = absl::ToDoubleMicroseconds(link.delay);
    json["link_loss"] = link.loss;
    json["link_tcp_gbytes_per_s"] = *TcpBytesPerSecond(link, CongestionOf(flags_)) / 1e9;
    json["link_congestion"] = CongestionOf(flags_);
    json["bytes_per_fp32_byte"] = speed.bytes_per_fp32_byte;
    json["encode_feedback"] = {{"gbytes_per_s", encode.median}};
    json["decode_add"] = {{"gbytes_per_s", speed.Rate(CodecWork::kDecodeAdd).median}};
    goodputs_.push_back(
        {what.link, what.size_bytes, what.codec, Summarise(rounds).goodput_gbytes_per_s});
    return json;
  }

  const Flags& flags_;
  std::map<std::pair<std::string, size_t>, CodecSpeed> speeds_;
  std::vector<LinkGoodput> goodputs_;
};

}  // namespace

absl::StatusOr<Plan> LinkPlan(const Flags& flags) {
  Plan plan;
  std::map<std::string, Link> links;
  for (const Link& link : flags.links) {
    const auto modelled = TcpBytesPerSecond(link, CongestionOf(flags));
    if (!modelled.ok()) return modelled.status();
    links[link.ToString()] = link;
  }
  for (const size_t size : flags.sizes) {
    for (const Link& link : flags.links) {
      for (const std::string& codec : flags.codecs) {
        plan.cases.push_back({.subcommand = flags.subcommand,
                              .transport = kTransport,
                              .size_bytes = size,
                              .codec = codec,
                              .link = link.ToString()});
      }
    }
  }
  plan.steps = plan.cases.size() +
               flags.sizes.size() * flags.codecs.size() * (1 + static_cast<size_t>(flags.rounds));
  const auto run = std::make_shared<LinkRun>(flags);
  plan.measure = [run, links](const Case& what, Progress& progress) {
    return run->Measure(what, links.at(what.link), progress);
  };
  plan.table = [run] { return CrossoverTable(Winners(run->goodputs())); };
  plan.conclusions = [run] { return Json{{"crossover", ToJson(Winners(run->goodputs()))}}; };
  return plan;
}

}  // namespace bench
