#include "bench/common/control.h"

#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <exception>
#include <future>
#include <iostream>
#include <memory>
#include <mutex>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <utility>

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

// Long enough for windows, page tables and caches to settle.
constexpr double kWarmUpSeconds = 0.2;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
}

struct Measured {
  Histogram latencies;
  double seconds = 0;
  double cpu_s = 0;
};

// Operations one after the other, or a window of them, for so many seconds and at least so many.
class Repetition {
 public:
  Repetition(const Work& work, double seconds, uint64_t operations_min)
      : work_(work), seconds_(seconds), operations_min_(operations_min) {}

  Measured Run() {
    const double cpu_before = CpuSeconds();
    start_ = Clock::now();
    if (work_.begin != nullptr) {
      RunAsynchronously();
    } else {
      RunInTurn();
    }
    measured_.seconds = SecondsSince(start_);
    measured_.cpu_s = CpuSeconds() - cpu_before;
    return std::move(measured_);
  }

 private:
  void RunInTurn() {
    std::deque<Clock::time_point> under_way;
    while (!Enough(Clock::now())) {
      under_way.push_back(Clock::now());
      work_.operation();
      if (under_way.size() < work_.outstanding) continue;
      Count(under_way.front());
      under_way.pop_front();
    }
    work_.drain();
    for (const Clock::time_point begun : under_way) Count(begun);
  }

  void RunAsynchronously() {
    under_way_ = work_.outstanding;
    for (size_t i = 0; i < work_.outstanding; ++i) Begin();
    const std::string error = all_ended_->get_future().get();
    if (!error.empty()) throw std::runtime_error(error);
  }

  bool Enough(Clock::time_point now) const {
    return operations_ >= operations_min_ &&
           std::chrono::duration<double>(now - start_).count() >= seconds_;
  }

  // The time now.
  Clock::time_point Count(Clock::time_point begun) {
    const Clock::time_point now = Clock::now();
    measured_.latencies.Record(static_cast<uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(now - begun).count()));
    ++operations_;
    return now;
  }

  void Begin() {
    work_.begin([this, begun = Clock::now()](const std::string& error) {
      if (GoesOn(begun, error)) Begin();
    });
  }

  // Whether another operation shall take the place of the one that has ended. The last one to end tells Run, and touches nothing of
  // this any more.
  bool GoesOn(Clock::time_point begun, const std::string& error) {
    std::unique_lock<std::mutex> lock(mutex_);
    const Clock::time_point now = Count(begun);
    if (error_.empty()) error_ = error;
    if (error_.empty() && !Enough(now)) return true;
    if (--under_way_ > 0) return false;
    const std::shared_ptr<std::promise<std::string>> all_ended = all_ended_;
    const std::string first_error = error_;
    lock.unlock();
    all_ended->set_value(first_error);
    return false;
  }

  const Work& work_;
  const double seconds_;
  const uint64_t operations_min_;
  Clock::time_point start_;
  std::mutex mutex_;  // for what follows, while operations end on several threads
  Measured measured_;
  uint64_t operations_ = 0;
  size_t under_way_ = 0;
  std::string error_;
  const std::shared_ptr<std::promise<std::string>> all_ended_ =
      std::make_shared<std::promise<std::string>>();
};

Measured Repeat(const Work& work, double seconds, uint64_t operations_min) {
  return Repetition(work, seconds, operations_min).Run();
}

}  // namespace

std::string ToJson(const Histogram& histogram) {
  std::string text;
  for (const auto& [bucket, count] : histogram.Filled()) {
    text +=
        (text.empty() ? "[" : ",[") + std::to_string(bucket) + "," + std::to_string(count) + "]";
  }
  return "[" + text + "]";
}

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

void ServeDriver(const std::string& address, const std::function<bool(uint64_t)>& verify,
                 const std::function<std::string()>& stages) {
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
    } else if (word == "stages") {
      std::printf("%s\n", stages().c_str());
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
  uint64_t pushes = Repeat(work, kWarmUpSeconds, work.warm_up_operations).latencies.count();
  std::printf("{\"ready\": true}\n");
  std::fflush(stdout);
  std::string line;
  while (std::getline(std::cin, line) && (line.starts_with("go ") || line == "stages")) {
    if (line == "stages") {
      std::printf("%s\n", work.stages().c_str());
      std::fflush(stdout);
      continue;
    }
    (void)work.stages();                              // what was before
    (void)work.more();                                // too
    if (work.beside != nullptr) (void)work.beside();  // also
    const Measured measured = Repeat(work, std::stod(line.substr(3)), 1);
    const std::string beside =
        work.beside == nullptr ? "" : ", \"beside_ns\": " + ToJson(work.beside());
    const std::string more = work.more();
    const uint64_t operations = measured.latencies.count();
    pushes += operations;
    std::printf(
        "{\"operations\": %llu, \"bytes\": %llu, \"seconds\": %.6f, \"cpu_s\": %.6f, "
        "\"median_us\": %.3f, \"pushes\": %llu, \"verified\": %s, \"histogram_ns\": %s%s%s}\n",
        static_cast<unsigned long long>(operations),
        static_cast<unsigned long long>(operations) * work.bytes, measured.seconds, measured.cpu_s,
        1e-3 * measured.latencies.Quantile(0.5),
        static_cast<unsigned long long>(work.pushes ? pushes : 0), work.check() ? "true" : "false",
        ToJson(measured.latencies).c_str(), beside.c_str(), more.c_str());
    std::fflush(stdout);
  }
}

}  // namespace bench
