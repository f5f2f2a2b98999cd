#include "bench/peer/train_step.h"

#include <time.h>

#include <chrono>
#include <cstdio>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "bench/common/control.h"
#include "bench/common/histogram.h"
#include "bench/peer/inner_steps.h"
#include "bench/peer/worker.h"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsBetween(Clock::time_point start, Clock::time_point end) {
  return std::chrono::duration<double>(end - start).count();
}

double ThreadCpuSeconds() {
  timespec time = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

class TrainStep {
 public:
  TrainStep(Worker& worker, const Settings& settings)
      : worker_(worker), settings_(settings), steps_(settings.step_s) {}

  Work MakeWork() {
    Work work = worker_.MakeWork();
    work.begin = nullptr;
    work.operation = [this] { Cycle(); };
    work.warm_up_operations = 1;  // one takes as long as two times all inner steps
    work.more = [this] { return Take(); };
    return work;
  }

 private:
  // What is summed up of the cycles since the last Take.
  struct Sums {
    double alone = 0;
    double with = 0;
    double computing = 0;
    double waiting = 0;
    double exchange = 0;
    double compute_cpu = 0;
    double alone_cpu = 0;
    double computing_cpu = 0;
    Histogram exchanges;
  };

  void Cycle() {
    const double cpu_before = ThreadCpuSeconds();
    Compute(sums_.alone, sums_.alone_cpu);
    const Clock::time_point start = Clock::now();
    std::future<Clock::time_point> ended = Exchange();
    if (settings_.overlap) Compute(sums_.computing, sums_.computing_cpu);
    const Clock::time_point waits = Clock::now();
    const Clock::time_point end = ended.get();
    sums_.waiting += SecondsBetween(waits, Clock::now());
    if (!settings_.overlap) Compute(sums_.computing, sums_.computing_cpu);
    sums_.with += SecondsBetween(start, Clock::now());
    sums_.exchange += SecondsBetween(start, end);
    sums_.exchanges.Record(static_cast<uint64_t>(1e9 * SecondsBetween(start, end)));
    sums_.compute_cpu += ThreadCpuSeconds() - cpu_before;
  }

  // All inner steps; adds the seconds that they take, on the clock and of this thread's CPU.
  void Compute(double& seconds, double& cpu_seconds) {
    const double cpu_before = ThreadCpuSeconds();
    seconds += steps_.Run(settings_.inner_steps);
    cpu_seconds += ThreadCpuSeconds() - cpu_before;
  }

  // When it ended, or what went wrong.
  std::future<Clock::time_point> Exchange() {
    auto promise = std::make_shared<std::promise<Clock::time_point>>();
    worker_.Begin([promise](const std::string& error) {
      if (error.empty()) return promise->set_value(Clock::now());
      promise->set_exception(std::make_exception_ptr(std::runtime_error(error)));
    });
    return promise->get_future();
  }

  std::string Take() {
    const Sums sums = std::exchange(sums_, Sums());
    std::string text(512, '\0');
    text.resize(static_cast<size_t>(std::snprintf(
        text.data(), text.size(),
        ", \"train\": {\"alone\": %.9f, \"with\": %.9f, \"computing\": %.9f, \"waiting\": %.9f, "
        "\"exchange\": %.9f, \"compute_cpu\": %.9f, \"alone_cpu\": %.9f, \"computing_cpu\": %.9f, "
        "\"exchange_ns\": ",
        sums.alone, sums.with, sums.computing, sums.waiting, sums.exchange, sums.compute_cpu,
        sums.alone_cpu, sums.computing_cpu)));
    return text + ToJson(sums.exchanges) + "}";
  }

  Worker& worker_;
  const Settings& settings_;
  InnerSteps steps_;
  Sums sums_;
};

}  // namespace

void RunTrainStep(const Settings& settings) {
  tideway::Runtime runtime(MakeRuntimeOptions(settings));
  Worker worker(runtime, settings);
  TrainStep train(worker, settings);
  RunClient(train.MakeWork());
}

}  // namespace bench
