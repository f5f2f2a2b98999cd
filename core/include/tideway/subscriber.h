// Subscriber: follows a Publisher (publisher.h) and always has a whole version of the weights, or none.
//
// What comes is built beside the version in use and checked, every tensor by its checksum; only then does it come into use, all of
// it at once. Who reads a version holds a reference to it; it does not change for as long as it is held. So an inference server
// takes current() for each batch and never sees half of one version and half of another.
//
//   auto subscriber = tideway::Subscriber::Start(&runtime, {.publisher = "tcp://trainer:7000"}, *layout);
//   tideway::WeightsPtr weights = (*subscriber)->current();     // null until the first version is here
//   absl::Span<const std::byte> embed = weights->tensor(0);
//
// Threads: every method may be called from any thread, also from a completion. Nothing blocks. Completions fire exactly once, never
// inside the call that caused them, one at a time per subscriber, on the runtime's executor. A reference may be dropped anywhere, and in a
// forked child too, which may read it; all else fails there (runtime.h).
//
// Connections. It connects, and connects again for as long as it lives, with jittered backoff; a publisher that comes back has another
// epoch, and then the whole is sent. In the meantime the version in use stays in use. It gives up only where trying again can't help:
// the publisher has another model (FAILED_PRECONDITION, naming the tensor), speaks another version of the protocol, or is none.
//
// Memory: at most copies_max copies of the model, those that the user holds included. Where the user holds so many old versions that
// there is none to build the next one in, the subscriber waits until one is dropped, and asks for nothing meanwhile
// (SubscriberStats::waits_for_a_copy).
//
// Close fails what is pending with CANCELLED; the destructor closes. Versions that are held outlive the subscriber.

#ifndef TIDEWAY_CORE_INCLUDE_TIDEWAY_SUBSCRIBER_H_
#define TIDEWAY_CORE_INCLUDE_TIDEWAY_SUBSCRIBER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "tideway/limits.h"
#include "tideway/runtime.h"
#include "tideway/weights.h"

namespace tideway {

struct SubscriberOptions {
  std::string publisher = {};  // one address, of any transport but auto://
  // Names this subscriber in the publisher's statistics and logs. Empty: a random name.
  std::string name = {};
  // Of the model, at a time: the one in use, the one that is being built, and those that the user still holds. From 2 on.
  size_t copies_max = 3;
  // How often a silent publisher is asked whether it lives, and after how long a silence the connection is given up.
  absl::Duration ping_interval = absl::Seconds(5);
  absl::Duration silence_max = absl::Seconds(15);
};

// One whole version. Immutable; any thread.
class Weights {
 public:
  virtual ~Weights() = default;

  virtual WeightVersionId id() const = 0;
  virtual const WeightLayout& layout() const = 0;
  // Of the tensor at that index of the layout: layout().bytes_of(tensor) bytes, aligned to 64, valid as long as this object.
  virtual absl::Span<const std::byte> tensor(size_t tensor) const = 0;
};

using WeightsPtr = std::shared_ptr<const Weights>;

struct SubscriberStats {
  bool connected = false;      // hands are shaken
  WeightVersionId id = {};     // in use
  uint64_t connects = 0;       // handshakes that succeeded
  uint64_t installs = 0;       // versions that came into use
  uint64_t wholes = 0;         // of them, sent as the whole
  uint64_t frames = 0;         // with weights
  uint64_t bytes = 0;          // of those frames' payloads
  uint64_t bytes_whole = 0;    // what the installed versions would have been as the whole
  double seconds_staging = 0;  // working on frames and checksums, over all versions
  double seconds_install_last =
      0;  // of the last version: from its announcement until it came into use
  uint64_t checksum_errors = 0;   // versions that were dropped for it
  uint64_t waits_for_a_copy = 0;  // times that the user held all copies
  std::string last_error = {};    // why the connection was lost, or could not be made; empty: never
};

class Subscriber {
 public:
  using Done = absl::AnyInvocable<void(absl::StatusOr<WeightsPtr>)>;

  // INVALID_ARGUMENT for options that can't work, NOT_FOUND for an unknown scheme. Begins to connect. `runtime` outlives the
  // subscriber.
  static absl::StatusOr<std::unique_ptr<Subscriber>> Start(Runtime* runtime,
                                                           SubscriberOptions options,
                                                           const WeightLayout& layout);

  virtual ~Subscriber() = default;

  // The version in use. Null: none has come yet.
  virtual WeightsPtr current() const = 0;

  // Completes with the version in use as soon as that is another one than `than` ({}: any). DEADLINE_EXCEEDED, with the reason why
  // there is no connection, if there is none; FAILED_PRECONDITION or INVALID_ARGUMENT: it has given up; CANCELLED: closed;
  // RESOURCE_EXHAUSTED: kWeightWaitersMax are waiting.
  virtual void WhenNewer(WeightVersionId than, absl::Time deadline, Done done) = 0;

  virtual SubscriberStats stats() const = 0;

  virtual void Close() = 0;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_INCLUDE_TIDEWAY_SUBSCRIBER_H_
