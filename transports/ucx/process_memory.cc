#include "transports/ucx/process_memory.h"

#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace tideway::ucx {

absl::Status ReadProcess(uint32_t pid, uint64_t address, absl::Span<std::byte> local) {
  size_t done = 0;
  while (done < local.size()) {
    const iovec here = {local.data() + done, local.size() - done};
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the kernel takes the other process's address as a pointer
    const iovec there = {reinterpret_cast<void*>(address + done), local.size() - done};
    const ssize_t bytes = process_vm_readv(static_cast<pid_t>(pid), &here, 1, &there, 1, 0);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes <= 0) {
      const int error = bytes < 0 ? errno : EFAULT;
      return absl::UnavailableError(
          absl::StrCat("the kernel does not let us read the memory of process ", pid, ": ",
                       std::generic_category().message(error)));
    }
    done += static_cast<size_t>(bytes);
  }
  return absl::OkStatus();
}

absl::Status ProbeProcess(uint32_t pid, uint64_t address, uint64_t expected) {
  uint64_t found = 0;
  absl::Status status = ReadProcess(
      pid, address, absl::MakeSpan(reinterpret_cast<std::byte*>(&found), sizeof(found)));
  if (status.ok() && found != expected) {
    return absl::UnavailableError(absl::StrCat("process ", pid, " is not the peer"));
  }
  return status;
}

uint32_t OwnPid() { return static_cast<uint32_t>(getpid()); }

std::string HostIdentity() {
  std::string identity;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> identity;
  for (const char* link : {"/proc/self/ns/pid", "/proc/self/ns/ipc", "/proc/self/ns/user"}) {
    std::array<char, 64> target;
    const ssize_t bytes = readlink(link, target.data(), target.size());
    absl::StrAppend(&identity, " ",
                    absl::string_view(target.data(), bytes > 0 ? static_cast<size_t>(bytes) : 0));
  }
  return identity;
}

}  // namespace tideway::ucx
