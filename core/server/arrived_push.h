// ArrivedPush: one fragment of a worker's push, from when its header has arrived until its outer step is done.

#ifndef TIDEWAY_CORE_SERVER_ARRIVED_PUSH_H_
#define TIDEWAY_CORE_SERVER_ARRIVED_PUSH_H_

#include <memory>

#include "absl/types/span.h"
#include "core/runtime/shared_block.h"
#include "core/runtime/stage_marks.h"
#include "core/wire/frame.h"
#include "core/wire/payload_scan.h"
#include "tideway/buffer.h"
#include "tideway/push_times.h"

namespace tideway {

class Session;

struct ArrivedPush {
  std::shared_ptr<Session> session;
  wire::FrameHeader header;
  Buffer buffer;                                // that the payload landed in,
  std::shared_ptr<const SharedMapping> shared;  // or the worker's memory that it lies in
  StageMarks<ServerPushTimes> marks;
  absl::Span<const std::byte> payload;
  wire::PayloadScanner scanner;  // of `payload`, where the worker has hashed it
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_SERVER_ARRIVED_PUSH_H_
