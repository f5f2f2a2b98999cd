#include "bench/driver/line_channel.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace bench {
namespace {

constexpr size_t kReadBytes = 64 << 10;

absl::Status Ended() { return absl::UnavailableError("it ended"); }

}  // namespace

LineChannel::~LineChannel() { close(socket_); }

void LineChannel::EndWriting() { shutdown(socket_, SHUT_WR); }

absl::Status LineChannel::Write(absl::string_view line) {
  const std::string text = absl::StrCat(line, "\n");
  size_t written = 0;
  while (written < text.size()) {
    const ssize_t bytes = send(socket_, text.data() + written, text.size() - written, MSG_NOSIGNAL);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes <= 0) return Ended();
    written += static_cast<size_t>(bytes);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> LineChannel::Read(absl::Duration patience) {
  const absl::Time end = absl::Now() + patience;
  size_t searched = 0;
  while (true) {
    const size_t line_break = pending_.find('\n', searched);
    if (line_break != std::string::npos) {
      std::string line = pending_.substr(0, line_break);
      pending_.erase(0, line_break + 1);
      return line;
    }
    searched = pending_.size();
    if (searched > kLineBytesMax) {
      return absl::ResourceExhaustedError(
          absl::StrCat("it sent a line of more than ", kLineBytesMax, " bytes"));
    }
    pollfd ready = {.fd = socket_, .events = POLLIN, .revents = 0};
    const auto left =
        absl::ToInt64Milliseconds(absl::Ceil(end - absl::Now(), absl::Milliseconds(1)));
    const int count = poll(&ready, 1, static_cast<int>(std::clamp<int64_t>(left, 0, 1 << 30)));
    if (count < 0 && errno == EINTR) continue;
    if (count == 0) return absl::DeadlineExceededError("it gave no answer in time");
    pending_.resize(searched + kReadBytes);
    const ssize_t bytes = read(socket_, pending_.data() + searched, kReadBytes);
    pending_.resize(searched + static_cast<size_t>(std::max<ssize_t>(bytes, 0)));
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes <= 0) return Ended();
  }
}

}  // namespace bench
