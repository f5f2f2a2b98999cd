// Control: how a benchmark program and the driver that started it talk: lines on stdin, one JSON object per line on stdout.
//
//   server   prints {"address": ...} when peers may come, then answers
//              cpu        {"cpu_s": CPU seconds of this process so far}
//              verify N   {"verified": whether the vector is what N pushes make it}
//              stages     {"server": times of the latest pushes} where it keeps them
//              quit       ends the process; so does the end of stdin
//   client   connects, warms up, prints {"ready": true}; then, for each line "go SECONDS", works for that long and prints
//            {"operations", "bytes", "seconds", "cpu_s", "median_us", "histogram_ns": pairs of bucket and count (histogram.h),
//             "pushes": since the start, "verified"}, some also "beside_ns"; to "stages" it answers {"client": times of those
//             pushes}, and also "server" where it is both ends
//
// So the driver can mark the server's CPU time just before and just after, and the same driver measures anything.

#ifndef TIDEWAY_BENCH_COMMON_CONTROL_H_
#define TIDEWAY_BENCH_COMMON_CONTROL_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "bench/common/histogram.h"

namespace bench {

// User and system time of this process, all threads.
double CpuSeconds();

// Runs `body`, which may throw; prints what it threw. The process's exit status.
int Main(const std::function<void()>& body);

// Server. Prints the address and serves the driver's lines; returns at quit or the end of stdin. `stages`: the answer to that line.
void ServeDriver(
    const std::string& address, const std::function<bool(uint64_t)>& verify,
    const std::function<std::string()>& stages = [] { return std::string("{}"); });
// The same on a thread of its own, which then ends the process: for a server whose thread can't be told to stop.
void ServeDriverAside(const std::string& address, std::function<bool(uint64_t)> verify);

// [[bucket,count],...]
std::string ToJson(const Histogram& histogram);

// Client. `operation` does one push or pull and returns when it has ended; with `outstanding` > 1, when the oldest of so many under way
// has ended, and `drain` returns when all have. In its place, `begin` begins one, and the next is begun where its end is told: that
// is how an asynchronous program works, and no thread of ours has to be woken for it. What went wrong is told by `ended`, which is
// called once, on any thread, not within `begin`; "": nothing did. `check`: whether what arrived is right.
struct Work {
  using Ended = std::function<void(const std::string& error)>;

  size_t bytes = 0;  // payload of one operation
  bool pushes = false;
  size_t outstanding = 1;
  uint64_t warm_up_operations = 4;  // at least
  std::function<void()> operation;
  std::function<void()> drain = [] {};
  std::function<void(Ended ended)> begin = nullptr;
  std::function<bool()> check = [] { return true; };
  // Latencies of what went on beside the operations since the last call: told as "beside_ns", in the form of "histogram_ns".
  std::function<Histogram()> beside = nullptr;
  // Members of the answer to "go" that this work alone has, each after a comma: of the operations since the last call.
  std::function<std::string()> more = [] { return std::string(); };
  // The answer to "stages": of the operations since the last call.
  std::function<std::string()> stages = [] { return std::string("{}"); };
};
void RunClient(const Work& work);

}  // namespace bench

#endif  // TIDEWAY_BENCH_COMMON_CONTROL_H_
