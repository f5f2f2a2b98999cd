// Publisher: gives whole versions of a model's weights to all who follow it, bit for bit.
//
// A trainer calls Publish after an optimizer step, or after some. What has changed since the version before is encoded once,
// losslessly, and sent to every Subscriber (subscriber.h) that has the version before; one that is further behind is sent several
// such differences or the whole, whichever is fewer bytes; a new one the whole.
//
// Threads: every method may be called from any thread except the runtime's own. Publish encodes on the caller's thread and on
// threads of the runtime's executor that are free, and returns when the version may be sent; it waits for no subscriber. Calls of
// Publish go one after the other.
//
// Memory: one copy of the model; up to one more for each of anchors_max whole versions that are being sent while newer ones come;
// the kept differences (history_bytes_max); what is under way to each subscriber (kWeightBytesInFlight).
//
// Epochs. Each Publisher object draws a random epoch. A subscriber that comes back to another epoch is sent the whole, so that it
// never applies a difference to what another life of the publisher made; until it has all of that, it keeps what it has.
//
// What a peer sends is never trusted: a bad frame closes its connection with a reason in the log; all others go on.
//
// Stop refuses new subscribers and closes the others. The destructor stops. Statuses: see each method; in a forked child, runtime.h.
//
//   auto publisher = tideway::Publisher::Start(&runtime, {.listen = {"tcp://0.0.0.0:7000"}}, *layout);
//   auto report = (*publisher)->Publish(step, {{"embed", tideway::WeightType::kBf16, {32000, 4096}, embed.data()}, ...});

#ifndef TIDEWAY_CORE_INCLUDE_TIDEWAY_PUBLISHER_H_
#define TIDEWAY_CORE_INCLUDE_TIDEWAY_PUBLISHER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "tideway/limits.h"
#include "tideway/runtime.h"
#include "tideway/weights.h"

namespace tideway {

struct PublisherOptions {
  // Any transport's addresses. auto:// is for parameter servers: name a scheme.
  std::vector<std::string> listen = {"tcp://127.0.0.1:0"};
  // Must know versions (Codec::version_difference).
  std::string codec = "sparse_lossless";
  // What is encoded, checked and sent at once; a multiple of 4. It should fit into a core's cache three times.
  size_t chunk_bytes = kWeightChunkBytesDefault;
  // Differences kept for those who are behind: so many, and so many bytes in all (0: as many as the model has). The newest is
  // always kept.
  size_t links_max = 64;
  size_t history_bytes_max = 0;
  // Whole versions that may be under way at a time. Who needs another one waits.
  size_t anchors_max = 2;
  size_t subscribers_max = 256;
  // Threads that encode, the caller's included. 0: one per core, at most 8.
  int encode_threads = 0;
  // A subscriber that is silent, or takes nothing of what it is sent, for so long is dropped.
  absl::Duration silence_max = absl::Seconds(30);
};

// One tensor of a version. The data stay the caller's; they are read during the call only, and nobody writes them meanwhile.
struct WeightView {
  std::string name = {};
  WeightType type = WeightType::kBf16;
  std::vector<int64_t> shape = {};
  const void* data = nullptr;  // dense, row by row, in the machine's byte order
};

struct PublishReport {
  WeightVersionId id = {};
  uint64_t bytes = 0;        // of the difference; 0 for the first version
  uint64_t bytes_model = 0;  // of the weights
  double seconds = 0;        // that encoding took
};

struct PublisherStats {
  WeightVersionId newest = {};  // none: nothing was published
  uint64_t versions = 0;        // published
  uint64_t bytes_encoded = 0;   // of all differences, each once
  double seconds_encoding = 0;
  uint64_t links = 0;  // differences that are kept
  uint64_t bytes_links = 0;
  uint64_t anchors = 0;      // whole versions under way
  uint64_t chains_sent = 0;  // times that a subscriber was sent differences
  uint64_t wholes_sent = 0;  // times that one was sent the whole
  uint64_t bytes_sent = 0;   // payloads, to all
  uint64_t refused = 0;      // connections refused, or closed for an error
  struct Subscriber {
    std::string name = {};
    std::string peer = {};    // address
    uint64_t version = 0;     // that it has, of this epoch; 0: none
    uint64_t bytes_sent = 0;  // over this connection
    bool being_sent = false;
  };
  std::vector<Subscriber> subscribers = {};  // connected now
};

class Publisher {
 public:
  // INVALID_ARGUMENT for options that can't work; NOT_FOUND for an unknown scheme or codec; the transport's statuses for an address
  // that can't be listened on; RESOURCE_EXHAUSTED: no memory for a copy of the model. `runtime` outlives the publisher.
  static absl::StatusOr<std::unique_ptr<Publisher>> Start(Runtime* runtime,
                                                          PublisherOptions options,
                                                          const WeightLayout& layout);

  virtual ~Publisher() = default;

  // The bound addresses, in the order of options.listen.
  virtual std::vector<std::string> addresses() const = 0;
  virtual uint64_t epoch() const = 0;

  // `weights`: all tensors of the layout, in its order. Versions of one epoch go up; numbers may be left out. INVALID_ARGUMENT,
  // naming the tensor, for a name, type or shape that is not the layout's or data that are missing; for a version that is not above
  // the last one. CANCELLED: stopped.
  virtual absl::StatusOr<PublishReport> Publish(uint64_t version,
                                                absl::Span<const WeightView> weights) = 0;

  virtual PublisherStats stats() const = 0;

  virtual void Stop() = 0;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_INCLUDE_TIDEWAY_PUBLISHER_H_
