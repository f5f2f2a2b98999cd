#include "tests/fuzz/weight_frames.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "core/wire/weight_handshake.h"
#include "tests/fuzz/weight_seeds.h"

namespace tideway::fuzz {
namespace {

using wire::WeightFrameHeader;
using wire::WeightFrameType;

// A block of exactly that size.
struct Payload {
  explicit Payload(size_t bytes) : size(bytes), block(std::make_unique<std::byte[]>(bytes)) {}
  Payload(const uint8_t* data, size_t bytes) : Payload(bytes) {
    if (bytes > 0) std::memcpy(block.get(), data, bytes);
  }
  absl::Span<const std::byte> span() const { return {block.get(), size}; }

  const size_t size;
  const std::unique_ptr<std::byte[]> block;
};

bool IsExpected(const absl::Status& status) {
  return status.ok() || absl::IsInvalidArgument(status) || absl::IsDataLoss(status);
}

std::string ReadHeader(const uint8_t* data, size_t size) {
  const Payload header(data, size);
  const auto read = wire::ReadWeightHeader(header.span(), 0);
  return IsExpected(read.status()) ? "" : read.status().ToString();
}

std::string ReadWelcome(const uint8_t* data, size_t size) {
  const Payload payload(data, size);
  const auto welcome = wire::UnpackWeightMessage<wire::WeightWelcome>(payload.span());
  if (!welcome.ok()) return IsExpected(welcome.status()) ? "" : welcome.status().ToString();
  const absl::Status same = CheckSameWeights(SeedTable()->layout(), "this subscriber",
                                             wire::TensorsOf(*welcome), "the publisher");
  if (!same.ok() && !absl::IsFailedPrecondition(same)) return same.ToString();
  const bool one_line = same.message().find('\n') == absl::string_view::npos;
  return one_line ? "" : "a message has more than one line";
}

class Stage {
 public:
  Stage()
      : table_(SeedTable()),
        stager_(table_, SeedCodec()),
        in_use_(SeedCopy()),
        staged_(*sync::WeightCopy::Create(table_)) {}

  // Whether more may follow.
  absl::Status Take(const uint8_t* head, const Payload& payload) {
    WeightFrameHeader header{.epoch = 1, .from = head[1], .to = head[2]};
    switch (head[0] % 3) {
      case 0: {
        header.type = static_cast<uint8_t>(WeightFrameType::kVersion);
        header.count = static_cast<uint64_t>(head[4] | head[5] << 8);
        checksums_.resize(payload.size / sizeof(uint64_t));
        if (!checksums_.empty()) {
          std::memcpy(checksums_.data(), payload.block.get(), checksums_.size() * sizeof(uint64_t));
        }
        const bool starts_here = header.from == kWeightsInUse;
        return stager_.Begin(header, payload.span(), starts_here ? in_use_.get() : nullptr,
                             staged_.get());
      }
      case 1:
        if (!stager_.active()) return absl::OkStatus();
        header.type = static_cast<uint8_t>(WeightFrameType::kChanges);
        return stager_.TakeChanges(header, payload.span());
      default:
        if (!stager_.active()) return absl::OkStatus();
        header.type = static_cast<uint8_t>(WeightFrameType::kWhole);
        header.tensor = head[3] & 15;
        header.chunk = head[3] >> 4;
        return stager_.TakeWhole(header, payload.span());
    }
  }

  // What is wrong with the end of it, or nothing.
  std::string Finish(int* finished) {
    while (stager_.active() && stager_.AllTaken()) {
      const absl::StatusOr<bool> done = stager_.FinishSome(100);
      if (!done.ok()) return IsExpected(done.status()) ? "" : done.status().ToString();
      if (!*done) continue;
      if (finished != nullptr) ++*finished;
      std::vector<uint64_t> hashes;
      for (const sync::Chunk& chunk : table_->chunks()) {
        hashes.push_back(wire::HashBytes(staged_->chunk(chunk)));
      }
      stager_.Abandon();
      if (sync::TensorChecksums(*table_, hashes) != checksums_) {
        return "what was staged has not the checksums that were announced";
      }
    }
    return "";
  }

  bool InUseIsUntouched() const {
    const auto fresh = SeedCopy();
    for (size_t tensor = 0; tensor < table_->layout().tensors().size(); ++tensor) {
      if (std::as_const(*fresh).tensor(tensor) != std::as_const(*in_use_).tensor(tensor)) {
        return false;
      }
    }
    return true;
  }

 private:
  const std::shared_ptr<const sync::ChunkTable> table_;
  sync::Stager stager_;
  const std::unique_ptr<sync::WeightCopy> in_use_;
  const std::unique_ptr<sync::WeightCopy> staged_;
  std::vector<uint64_t> checksums_;
};

std::string TakeFrames(const uint8_t* data, size_t size, int* finished) {
  Stage stage;
  while (size >= kWeightFrameHeadBytes) {
    const uint8_t* const head = data;
    data += kWeightFrameHeadBytes;
    size -= kWeightFrameHeadBytes;
    const size_t bytes = std::min<size_t>(size, static_cast<size_t>(head[6] | head[7] << 8));
    const absl::Status taken = stage.Take(head, Payload(data, bytes));
    if (!IsExpected(taken)) return taken.ToString();
    if (!taken.ok()) break;  // the connection would be closed
    if (std::string wrong = stage.Finish(finished); !wrong.empty()) return wrong;
    data += bytes;
    size -= bytes;
  }
  return stage.InUseIsUntouched() ? "" : "the version in use was changed";
}

}  // namespace

std::string TakeAnyWeights(const uint8_t* data, size_t size, int* finished) {
  if (size == 0) return "";
  if (data[0] == 0) return ReadHeader(data + 1, size - 1);
  if (data[0] == 1) return ReadWelcome(data + 1, size - 1);
  return TakeFrames(data + 1, size - 1, finished);
}

}  // namespace tideway::fuzz
