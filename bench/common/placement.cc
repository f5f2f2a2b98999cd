#include "bench/common/placement.h"

#include <linux/mempolicy.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <system_error>

namespace bench {
namespace {

constexpr int kNumberMax = 1023;
constexpr char kNodes[] = "/sys/devices/system/node/";

int ParseNumber(const std::string& text, const std::string& list) {
  int number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0 ||
      number > kNumberMax) {
    throw std::invalid_argument("'" + list + "' is no list of numbers up to " +
                                std::to_string(kNumberMax) + "; write 0,2-3");
  }
  return number;
}

std::string Joined(const std::vector<int>& numbers) {
  std::string text;
  for (const int number : numbers) text += (text.empty() ? "" : ",") + std::to_string(number);
  return text;
}

// What the kernel says in a file of one line; empty where there is none.
std::string ReadLine(const std::string& file) {
  std::ifstream opened(file);
  std::string line;
  std::getline(opened, line);
  return line;
}

void StayOn(const std::vector<int>& cpus) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) {
    throw std::system_error(errno, std::generic_category(), "sched_getaffinity");
  }
  std::vector<int> there;
  for (int cpu = 0; cpu <= kNumberMax; ++cpu) {
    if (CPU_ISSET(cpu, &allowed)) there.push_back(cpu);
  }
  cpu_set_t wanted;
  CPU_ZERO(&wanted);
  for (const int cpu : cpus) {
    if (!CPU_ISSET(cpu, &allowed)) {
      throw std::invalid_argument("there is no processor " + std::to_string(cpu) +
                                  " to run on; there are " + Joined(there));
    }
    CPU_SET(cpu, &wanted);
  }
  if (sched_setaffinity(0, sizeof(wanted), &wanted) != 0) {
    throw std::system_error(errno, std::generic_category(), "sched_setaffinity");
  }
}

void TakeMemoryFrom(int node) {
  const std::string online = ReadLine(std::string(kNodes) + "online");
  if (online.empty()) {
    throw std::invalid_argument("this kernel tells of no NUMA nodes; leave --numa out");
  }
  const std::vector<int> nodes = ParseNumberList(online);
  if (std::find(nodes.begin(), nodes.end(), node) == nodes.end()) {
    throw std::invalid_argument("there is no NUMA node " + std::to_string(node) + "; there are " +
                                Joined(nodes));
  }
  constexpr size_t kBits = sizeof(unsigned long) * CHAR_BIT;
  std::array<unsigned long, (kNumberMax + 1) / kBits> mask = {};
  mask[static_cast<size_t>(node) / kBits] = 1ul << static_cast<size_t>(node) % kBits;
  // The kernel takes one bit less than it is told of.
  if (syscall(SYS_set_mempolicy, MPOL_BIND, mask.data(), mask.size() * kBits + 1) != 0) {
    throw std::system_error(errno, std::generic_category(),
                            "the kernel does not bind memory to NUMA node " + std::to_string(node));
  }
}

}  // namespace

std::vector<int> ParseNumberList(const std::string& text) {
  std::vector<int> numbers;
  std::istringstream parts(text + ",");  // a list that ends in a comma has an empty part
  std::string part;
  while (std::getline(parts, part, ',')) {
    const size_t dash = part.find('-');
    const int first = ParseNumber(part.substr(0, dash), text);
    const int last = dash == std::string::npos ? first : ParseNumber(part.substr(dash + 1), text);
    if (last < first) ParseNumber("", text);
    for (int number = first; number <= last; ++number) numbers.push_back(number);
  }
  return numbers;
}

void Place(const std::string& cpus, const std::string& numa) {
  if (!numa.empty()) {
    const int node = ParseNumber(numa, numa);
    TakeMemoryFrom(node);
    const std::string its_cpus =
        ReadLine(std::string(kNodes) + "node" + std::to_string(node) + "/cpulist");
    if (cpus.empty() && !its_cpus.empty()) StayOn(ParseNumberList(its_cpus));
  }
  if (!cpus.empty()) StayOn(ParseNumberList(cpus));
}

void Place(const Options& options) { Place(options.Text("cpus", ""), options.Text("numa", "")); }

}  // namespace bench
