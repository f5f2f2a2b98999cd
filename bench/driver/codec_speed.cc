#include "bench/driver/codec_speed.h"

#include <time.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <memory>
#include <new>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "bench/common/noise.h"
#include "bench/common/vectors.h"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;
using tideway::Codec;

double ThreadCpuSeconds() {
  timespec time = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// The compiler must take it that somebody reads what was written.
void Publish(const void* memory) { asm volatile("" : : "r"(memory) : "memory"); }

class Bench {
 public:
  Bench(const Codec& codec, const CodecSpeedSettings& settings)
      : codec_(codec),
        settings_(settings),
        fragment_(std::min(settings.fragment_bytes, settings.bytes) / sizeof(float)),
        delta_(settings.bytes / sizeof(float)),
        other_(delta_.size()),
        encoded_((delta_.size() + fragment_ - 1) / fragment_),
        out_(codec.Bound(fragment_)) {
    FillWithNoise(delta_.span(), fragment_);
  }

  absl::StatusOr<CodecSpeed> Run() {
    settings_.on_step("looking whether it loses something");
    absl::Status status = Verify();
    if (!status.ok()) return status;
    CodecSpeed speed;
    size_t bytes = 0;
    for (const auto& encoded : encoded_) bytes += encoded.size();
    speed.bytes_per_fp32_byte = static_cast<double>(bytes) / static_cast<double>(delta_.bytes());
    for (int round = 0; round < settings_.rounds; ++round) {
      settings_.on_step(absl::StrCat("round ", round + 1, " of ", settings_.rounds));
      CodecRound& turns = speed.rounds.emplace_back();
      for (size_t i = 0; i < kCodecWorks; ++i) {
        const size_t work = (i + static_cast<size_t>(round)) % kCodecWorks;
        status = Turn(static_cast<CodecWork>(work), turns[work]);
        if (!status.ok()) return status;
      }
    }
    return speed;
  }

 private:
  absl::Span<const float> Delta(size_t i) const {
    return absl::MakeConstSpan(delta_.data(), delta_.size()).subspan(i * fragment_, fragment_);
  }
  absl::Span<float> Other(size_t i) {
    return absl::MakeSpan(other_.data(), other_.size()).subspan(i * fragment_, fragment_);
  }

  // Encodes all fragments, and looks whether what they decode to and the residual make the delta. All memory has been touched then.
  absl::Status Verify() {
    std::vector<float> decoded(fragment_);
    for (size_t i = 0; i < encoded_.size(); ++i) {
      const absl::StatusOr<size_t> bytes =
          codec_.Encode(Delta(i), Other(i), {}, absl::MakeSpan(out_));
      if (!bytes.ok()) return bytes.status();
      encoded_[i].assign(out_.begin(), out_.begin() + static_cast<ptrdiff_t>(*bytes));
      decoded.assign(Delta(i).size(), 0.0f);
      const absl::Status status = codec_.DecodeAdd(encoded_[i], 1.0f, absl::MakeSpan(decoded));
      if (!status.ok()) return status;
      if (!IsWhole(Delta(i), decoded, Other(i))) {
        return absl::DataLossError("what was decoded and the residual are not what was encoded");
      }
    }
    return absl::OkStatus();
  }

  bool IsWhole(absl::Span<const float> delta, const std::vector<float>& decoded,
               absl::Span<const float> residual) const {
    for (size_t i = 0; i < delta.size(); ++i) {
      const float off = std::abs(decoded[i] + residual[i] - delta[i]);
      const float rounding = codec_.info().exact_residual ? 0.0f : 0x1p-22f * std::abs(decoded[i]);
      if (!(off <= rounding)) return false;
    }
    return true;
  }

  absl::Status Turn(CodecWork work, CodecTurn& turn) {
    if (work != CodecWork::kMemcpy) std::fill_n(other_.data(), other_.size(), 0.0f);
    const absl::Duration time = settings_.round / kCodecWorks;
    const double cpu_before = ThreadCpuSeconds();
    const Clock::time_point start = Clock::now();
    Clock::time_point now = start;
    for (size_t i = 0; now == start || absl::FromChrono(now - start) < time;
         i = (i + 1) % encoded_.size()) {
      const absl::Status status = Once(work, i);
      if (!status.ok()) return status;
      const Clock::time_point end = Clock::now();
      turn.latencies.Record(static_cast<uint64_t>(
          std::chrono::duration_cast<std::chrono::nanoseconds>(end - now).count()));
      turn.bytes += static_cast<double>(Delta(i).size() * sizeof(float));
      now = end;
    }
    turn.seconds = std::chrono::duration<double>(now - start).count();
    turn.cpu_s = ThreadCpuSeconds() - cpu_before;
    return absl::OkStatus();
  }

  absl::Status Once(CodecWork work, size_t i) {
    const absl::Span<const float> delta = Delta(i);
    const absl::Span<float> other = Other(i);
    absl::Status status;
    switch (work) {
      case CodecWork::kMemcpy:
        std::memcpy(other.data(), delta.data(), delta.size() * sizeof(float));
        break;
      case CodecWork::kEncode:
        status = codec_.Encode(delta, {}, {}, absl::MakeSpan(out_)).status();
        break;
      case CodecWork::kEncodeFeedback:
        status = codec_.Encode(delta, other, {}, absl::MakeSpan(out_)).status();
        break;
      case CodecWork::kDecodeAdd:
        status = codec_.DecodeAdd(encoded_[i], 0.5f, other);
        break;
    }
    Publish(other.data());
    Publish(out_.data());
    return status;
  }

  const Codec& codec_;
  const CodecSpeedSettings& settings_;
  const size_t fragment_;  // floats of it
  Vector delta_;
  Vector other_;  // the residual, what is added into, or where memcpy writes
  std::vector<std::vector<std::byte>> encoded_;  // by fragment
  std::vector<std::byte> out_;
};

std::vector<double> Rates(const std::vector<CodecRound>& rounds, CodecWork work) {
  std::vector<double> rates;
  for (const CodecRound& round : rounds) {
    rates.push_back(round[static_cast<size_t>(work)].gbytes_per_s());
  }
  return rates;
}

}  // namespace

Estimate CodecSpeed::Rate(CodecWork work) const { return MedianOf(Rates(rounds, work)); }

Estimate CodecSpeed::RatioToMemcpy(CodecWork work) const {
  return RatioOf(Rates(rounds, work), Rates(rounds, CodecWork::kMemcpy));
}

absl::StatusOr<CodecSpeed> MeasureCodec(const Codec& codec, const CodecSpeedSettings& settings) {
  try {
    return Bench(codec, settings).Run();
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("there is no memory for a delta of that size");
  }
}

}  // namespace bench
