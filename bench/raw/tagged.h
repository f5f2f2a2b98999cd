// What the raw programs over UCX and libfabric have in common: pushes and pulls as tagged messages.
//
// Push: the client sends its vector in chunks, kWindow of them under way; the server has kWindow receives posted, adds each chunk
// as it comes, and sends an acknowledgement. Pull: the client posts receives for its whole vector and sends a request; the server
// sends the chunks. One thread on each side.

#ifndef TIDEWAY_BENCH_RAW_TAGGED_H_
#define TIDEWAY_BENCH_RAW_TAGGED_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "bench/common/options.h"

namespace bench {

enum class Tag : uint64_t { kHello = 1, kData = 2, kAck = 3, kRequest = 4 };

// A send or receive under way. `context` is the library's, to recognise it by.
struct Operation {
  void* context[8] = {};
  bool done = true;
};

// One end, which knows one peer.
class TaggedEnd {
 public:
  virtual ~TaggedEnd() = default;

  // Bytes that Connect of the other end takes.
  virtual std::string Address() = 0;
  virtual void Connect(const std::string& address) = 0;

  // Begin; `operation.done` is set when it has ended. Throw what went wrong.
  virtual void Send(Tag tag, const void* data, size_t bytes, Operation& operation) = 0;
  virtual void Receive(Tag tag, void* data, size_t bytes, Operation& operation) = 0;
  // Lets the library work, and waits in the way that was asked for.
  virtual void Progress() = 0;

  void Wait(const Operation& operation) {
    while (!operation.done) Progress();
  }
};

struct TaggedSettings {
  explicit TaggedSettings(const Options& options);

  bool push;
  size_t bytes;
  size_t chunk;  // divides bytes
  bool spin;
  size_t outstanding;   // pushes that are not acknowledged yet
  std::string address;  // hexadecimal
};

// Until the driver says quit.
void RunTaggedServer(const TaggedSettings& settings, TaggedEnd& end);
void RunTaggedClient(const TaggedSettings& settings, TaggedEnd& end);

}  // namespace bench

#endif  // TIDEWAY_BENCH_RAW_TAGGED_H_
