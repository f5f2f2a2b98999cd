#include "transports/libfabric/side_channel.h"

#include <sys/epoll.h>

#include <cstring>
#include <utility>

namespace tideway::libfabric {

void SideChannel::Watch(Watcher* watcher) {
  watch_ = loop_->Watch(descriptor_.get(), EPOLLIN, watcher);
}

void SideChannel::Unwatch() {
  if (watch_ != 0) loop_->Unwatch(std::exchange(watch_, 0), descriptor_.get());
}

absl::Status SideChannel::Read(absl::FunctionRef<void(const Note&)> on_note) {
  const absl::StatusOr<size_t> count =
      ReadSome(descriptor_.get(), absl::MakeSpan(in_).subspan(in_bytes_));
  if (!count.ok()) return count.status();
  in_bytes_ += *count;
  size_t at = 0;
  for (; in_bytes_ - at >= kNoteBytes; at += kNoteBytes) {
    const absl::StatusOr<Note> note = DecodeNote(absl::MakeConstSpan(in_).subspan(at, kNoteBytes));
    if (!note.ok()) return note.status();
    on_note(*note);
  }
  in_bytes_ -= at;
  std::memmove(in_.data(), in_.data() + at, in_bytes_);
  return absl::OkStatus();
}

void SideChannel::Write(NoteKind kind, uint32_t value) {
  if (!open()) return;
  std::array<std::byte, kNoteBytes> out;
  EncodeNote({kind, value}, absl::MakeSpan(out));
  const absl::StatusOr<size_t> count = WriteSome(descriptor_.get(), out);
  // A note in half would make nonsense of all that follow.
  if (count.ok() && *count != 0 && *count != kNoteBytes) EndWriting();
}

void SideChannel::EndWriting() { (void)shutdown(descriptor_.get(), SHUT_WR); }

void SideChannel::Close() {
  Unwatch();
  descriptor_.reset();
}

}  // namespace tideway::libfabric
