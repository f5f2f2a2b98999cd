#include "bench/driver/machine.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "tideway/version.h"

namespace bench {
namespace {

std::string ReadFile(const char* path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return std::string(absl::StripAsciiWhitespace(text.str()));
}

// What stands behind `key` and `separator` in the first line that begins with `key`.
std::string ValueOf(const std::string& text, absl::string_view key, char separator) {
  std::istringstream lines(text);
  std::string line;
  while (std::getline(lines, line)) {
    const size_t at = line.find(separator);
    if (!absl::StartsWith(line, key) || at == std::string::npos) continue;
    absl::string_view value = absl::StripAsciiWhitespace(absl::string_view(line).substr(at + 1));
    absl::ConsumePrefix(&value, "\"");
    absl::ConsumeSuffix(&value, "\"");
    return std::string(value);
  }
  return "";
}

// The word in brackets: "always [madvise] never".
std::string Chosen(const std::string& text) {
  const size_t open = text.find('[');
  const size_t close = text.find(']');
  if (open == std::string::npos || close == std::string::npos) return text;
  return text.substr(open + 1, close - open - 1);
}

}  // namespace

nlohmann::json DescribeMachine() {
  utsname name = {};
  uname(&name);
  double load = 0;
  getloadavg(&load, 1);
  return {{"host", name.nodename},
          {"processor", ValueOf(ReadFile("/proc/cpuinfo"), "model name", ':')},
          {"cores", std::thread::hardware_concurrency()},
          {"memory_bytes", static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                               static_cast<uint64_t>(sysconf(_SC_PAGESIZE))},
          {"kernel", name.release},
          {"system", ValueOf(ReadFile("/etc/os-release"), "PRETTY_NAME", '=')},
          {"huge_pages", Chosen(ReadFile("/sys/kernel/mm/transparent_hugepage/enabled"))},
          {"congestion_control", ReadFile("/proc/sys/net/ipv4/tcp_congestion_control")},
          {"load_before", load}};
}

nlohmann::json DescribeVersions(const tideway::TransportRegistry& transports) {
  nlohmann::json versions = {{"tideway", tideway::kVersion}, {"compiler", __VERSION__}};
  for (const tideway::TransportEntry& entry : transports.entries()) {
    const tideway::TransportInfo info = entry.probe();
    if (!info.version.empty()) versions[info.name] = info.version;
  }
  return versions;
}

}  // namespace bench
