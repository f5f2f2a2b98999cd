// SideChannel: the stream beside a connection, once its greetings are over. It reads and writes notes.
//
// Used by the loop's thread only.

#ifndef TIDEWAY_TRANSPORTS_LIBFABRIC_SIDE_CHANNEL_H_
#define TIDEWAY_TRANSPORTS_LIBFABRIC_SIDE_CHANNEL_H_

#include <array>
#include <cstddef>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "transports/libfabric/greeting.h"
#include "transports/libfabric/loop.h"
#include "transports/libfabric/socket.h"

namespace tideway::libfabric {

class SideChannel {
 public:
  SideChannel(Loop* loop, Descriptor descriptor)
      : loop_(loop), descriptor_(std::move(descriptor)) {}
  ~SideChannel() { Close(); }

  int descriptor() const { return descriptor_.get(); }
  bool open() const { return descriptor_.valid(); }

  // `watcher` gets OnReady when something can be read.
  void Watch(Watcher* watcher);
  // The peer has ended its side: nothing more will come.
  void Unwatch();

  // What came: one call per note. Not OK: the peer has ended its side, or sent what no peer sends.
  absl::Status Read(absl::FunctionRef<void(const Note&)> on_note);
  // A note that finds no room in the socket is dropped: then the peer has enough to read.
  void Write(NoteKind kind, uint32_t value);
  void EndWriting();
  void Close();

 private:
  Loop* const loop_;
  Descriptor descriptor_;
  uint64_t watch_ = 0;
  std::array<std::byte, 64 * kNoteBytes> in_;
  size_t in_bytes_ = 0;
};

}  // namespace tideway::libfabric

#endif  // TIDEWAY_TRANSPORTS_LIBFABRIC_SIDE_CHANNEL_H_
