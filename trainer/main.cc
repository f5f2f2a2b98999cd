// tideway-train: a byte-level GPT, trained by asynchronous Local-SGD. See --help.

#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "trainer/exit_status.h"
#include "trainer/flags.h"
#include "trainer/launcher.h"
#include "trainer/server_role.h"
#include "trainer/stop_signal.h"
#include "trainer/worker_role.h"

namespace {

std::string OwnPath(const char* fallback) {
  std::string path(4096, '\0');
  const ssize_t length = readlink("/proc/self/exe", path.data(), path.size());
  if (length <= 0) return fallback;
  path.resize(static_cast<size_t>(length));
  return path;
}

absl::Status Run(const tideway::trainer::Settings& settings, const char* program) {
  tideway::trainer::StopSignal stop;
  if (settings.role == "server") return tideway::trainer::RunServer(settings, &stop);
  if (settings.role == "worker") return tideway::trainer::RunWorker(settings, &stop);
  return tideway::trainer::RunLocally(settings, OwnPath(program), &stop);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const auto flags = tideway::trainer::ParseFlags(arguments);
  if (flags.ok() && flags->answer.has_value()) {
    std::fputs(flags->answer->c_str(), stdout);
    return 0;
  }
  const absl::Status status = flags.ok() ? Run(flags->settings, argv[0]) : flags.status();
  if (!status.ok()) {
    std::fprintf(stderr, "tideway-train: %s\n", std::string(status.message()).c_str());
  }
  return tideway::trainer::ExitStatus(status);
}
