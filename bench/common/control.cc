#include "bench/common/control.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <future>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <vector>

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

// Long enough for windows, page tables and caches to settle.
constexpr double kWarmUpSeconds = 0.2;
constexpr uint64_t kWarmUpOperations = 4;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
}

struct Measured {
  uint64_t operations = 0;
  double seconds = 0;
  double cpu_s = 0;
  double median_us = 0;
};

// Operations one after the other, for so many seconds and at least so many.
class Repetition {
 public:
  Repetition(const Work& work, double seconds, uint64_t operations_min)
      : work_(work), seconds_(seconds), operations_min_(operations_min) {
    times_us_.reserve(1 << 20);
  }

  Measured Run() {
    const double cpu_before = CpuSeconds();
    start_ = Clock::now();
    if (work_.begin != nullptr) {
      Begin();
      const std::string error = ended_.get_future().get();
      if (!error.empty()) throw std::runtime_error(error);
    } else {
      while (!Enough()) {
        work_.operation();
        Count();
      }
    }
    Measured measured{.operations = times_us_.size(), .seconds = now_};
    measured.cpu_s = CpuSeconds() - cpu_before;
    const auto middle = times_us_.begin() + static_cast<std::ptrdiff_t>(times_us_.size() / 2);
    std::nth_element(times_us_.begin(), middle, times_us_.end());
    measured.median_us = *middle;
    return measured;
  }

 private:
  bool Enough() const { return now_ >= seconds_ && times_us_.size() >= operations_min_; }

  void Count() {
    const double after = SecondsSince(start_);
    times_us_.push_back(static_cast<float>(1e6 * (after - now_)));
    now_ = after;
  }

  void Begin() {
    work_.begin([this](const std::string& error) {
      Count();
      if (!error.empty() || Enough()) {
        ended_.set_value(error);
      } else {
        Begin();
      }
    });
  }

  const Work& work_;
  const double seconds_;
  const uint64_t operations_min_;
  std::vector<float> times_us_;
  Clock::time_point start_;
  double now_ = 0;
  std::promise<std::string> ended_;
};

Measured Repeat(const Work& work, double seconds, uint64_t operations_min) {
  return Repetition(work, seconds, operations_min).Run();
}

}  // namespace

double CpuSeconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return Seconds(usage.ru_utime) + Seconds(usage.ru_stime);
}

int Main(const std::function<void()>& body) {
  try {
    body();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  return 0;
}

void ServeDriver(const std::string& address, const std::function<bool(uint64_t)>& verify) {
  std::printf("{\"address\": \"%s\"}\n", address.c_str());
  std::fflush(stdout);
  std::string line;
  while (std::getline(std::cin, line) && line != "quit") {
    std::istringstream words(line);
    std::string word;
    uint64_t pushes = 0;
    words >> word >> pushes;
    if (word == "cpu") {
      std::printf("{\"cpu_s\": %.6f}\n", CpuSeconds());
    } else {
      std::printf("{\"verified\": %s}\n", verify(pushes) ? "true" : "false");
    }
    std::fflush(stdout);
  }
}

void ServeDriverAside(const std::string& address, std::function<bool(uint64_t)> verify) {
  std::thread([address, verify = std::move(verify)] {
    ServeDriver(address, verify);
    std::_Exit(0);  // the others wait for peers that don't come any more
  }).detach();
}

void RunClient(const Work& work) {
  uint64_t pushes = Repeat(work, kWarmUpSeconds, kWarmUpOperations).operations;
  std::printf("{\"ready\": true}\n");
  std::fflush(stdout);
  std::string line;
  while (std::getline(std::cin, line) && line.starts_with("go ")) {
    const Measured measured = Repeat(work, std::stod(line.substr(3)), 1);
    pushes += measured.operations;
    std::printf(
        "{\"operations\": %llu, \"bytes\": %llu, \"seconds\": %.6f, \"cpu_s\": %.6f, "
        "\"median_us\": %.3f, \"pushes\": %llu, \"verified\": %s}\n",
        static_cast<unsigned long long>(measured.operations),
        static_cast<unsigned long long>(measured.operations * work.bytes), measured.seconds,
        measured.cpu_s, measured.median_us,
        static_cast<unsigned long long>(work.pushes ? pushes : 0), work.check() ? "true" : "false");
    std::fflush(stdout);
  }
}

}  // namespace bench
