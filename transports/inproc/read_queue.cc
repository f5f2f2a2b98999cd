#include "transports/inproc/read_queue.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "tideway/limits.h"

namespace tideway::inproc {
namespace {

constexpr int kClosingRounds = 8;

}  // namespace

absl::Status ReadQueue::Push(ReadOp& op, bool& wake) {
  if (op.descriptor.size() > kMemoryDescriptorBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat("a memory descriptor of more than ",
                                                   kMemoryDescriptorBytesMax, " bytes is damaged"));
  }
  absl::MutexLock lock(&mutex_);
  if (closed_) return absl::CancelledError("the connection is closed");
  if (waiting_.size() >= kReadsInFlightMax) {
    return absl::ResourceExhaustedError(absl::StrCat(
        kReadsInFlightMax, " reads are in flight, which is the limit; wait for some to finish"));
  }
  wake = waiting_.empty();
  waiting_.push_back(std::move(op));
  return absl::OkStatus();
}

std::optional<ReadOp> ReadQueue::Pop() {
  absl::MutexLock lock(&mutex_);
  if (waiting_.empty()) return std::nullopt;
  return waiting_.pop_front();
}

void ReadQueue::Fail(const absl::Status& reason, bool for_good) {
  for (int round = 1; round <= (for_good ? kClosingRounds : 1); ++round) {
    RingQueue<ReadOp> failed;
    {
      absl::MutexLock lock(&mutex_);
      waiting_.swap(failed);
      closed_ = for_good && (failed.empty() || round == kClosingRounds);
    }
    if (failed.empty()) return;
    while (!failed.empty()) {
      ReadOp op = failed.pop_front();
      std::move(op.done)(reason);
    }
  }
}

}  // namespace tideway::inproc
