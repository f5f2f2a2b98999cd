#include "bench/driver/program.h"

#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "bench/driver/line_channel.h"

namespace bench {
namespace {

constexpr absl::Duration kEndPatience = absl::Seconds(5);
constexpr size_t kComplaintBytesMax = 64 << 10;

// Closes what it holds.
class Descriptor {
 public:
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
  ~Descriptor() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  Descriptor(Descriptor&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;

  int get() const { return descriptor_; }
  int Release() { return std::exchange(descriptor_, -1); }

 private:
  int descriptor_;
};

class LocalProgram final : public Program {
 public:
  LocalProgram(std::string name, pid_t process, int socket, Descriptor errors)
      : name_(std::move(name)), process_(process), channel_(socket), errors_(std::move(errors)) {}

  ~LocalProgram() override {
    channel_.EndWriting();
    absl::Status ended;  // the end of its output is its end
    while (ended.ok()) ended = channel_.Read(kEndPatience).status();
    if (!absl::IsUnavailable(ended)) kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
  }

  absl::StatusOr<nlohmann::json> Answer(absl::Duration patience) override {
    const absl::StatusOr<std::string> line = channel_.Read(patience);
    if (!line.ok()) return Complaint(line.status());
    auto answer = nlohmann::json::parse(*line, nullptr, /*allow_exceptions=*/false);
    if (!answer.is_object()) return absl::InternalError(absl::StrCat(name_, " said: ", *line));
    return answer;
  }

  absl::StatusOr<nlohmann::json> Ask(const std::string& line, absl::Duration patience) override {
    const absl::Status written = channel_.Write(line);
    if (!written.ok()) return Complaint(written);
    return Answer(patience);
  }

 private:
  // With the last line that it wrote to stderr, which is where programs say what is wrong.
  absl::Status Complaint(const absl::Status& status) const {
    std::string text(kComplaintBytesMax, '\0');
    const off_t all = lseek(errors_.get(), 0, SEEK_END);
    const off_t from = std::max<off_t>(all - static_cast<off_t>(text.size()), 0);
    const ssize_t bytes = pread(errors_.get(), text.data(), text.size(), from);
    text.resize(bytes > 0 ? static_cast<size_t>(bytes) : 0);
    absl::string_view last = status.message();
    for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipWhitespace())) {
      last = line;
    }
    absl::ConsumePrefix(&last, "error: ");
    return {status.code(), absl::StrCat(name_, ": ", last)};
  }

  const std::string name_;
  const pid_t process_;
  LineChannel channel_;
  const Descriptor errors_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Program>> StartProgram(const std::vector<std::string>& command) {
  std::array<int, 2> ends = {};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return absl::ErrnoToStatus(errno, "socketpair");
  }
  Descriptor ours(ends[0]);
  const Descriptor theirs(ends[1]);
  Descriptor errors(memfd_create("stderr", MFD_CLOEXEC));
  if (errors.get() < 0) return absl::ErrnoToStatus(errno, "memfd_create");

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, theirs.get(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, theirs.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, errors.get(), STDERR_FILENO);
  std::vector<char*> words;
  words.reserve(command.size() + 1);
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  pid_t process = 0;
  const int failed = posix_spawn(&process, words[0], &actions, nullptr, words.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  const std::string name = std::filesystem::path(command[0]).filename().string();
  if (failed != 0) return absl::ErrnoToStatus(failed, absl::StrCat("can't start ", command[0]));
  return std::make_unique<LocalProgram>(name, process, ours.Release(), std::move(errors));
}

}  // namespace bench
