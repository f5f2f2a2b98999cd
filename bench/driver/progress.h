// Progress: how far a run is, on one line of a terminal that is drawn over and over; silent where nobody watches.
//
// Threads: one at a time.

#ifndef TIDEWAY_BENCH_DRIVER_PROGRESS_H_
#define TIDEWAY_BENCH_DRIVER_PROGRESS_H_

#include <cstddef>
#include <iosfwd>
#include <string>

namespace bench {

class Progress {
 public:
  // `steps`: in all. `err` outlives this.
  Progress(std::ostream& err, bool on_terminal, size_t steps)
      : err_(err), on_terminal_(on_terminal), steps_(steps) {}
  ~Progress() { Clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // The next step begins.
  void Begin(const std::string& text);
  // Takes the line away, so that something else can be printed.
  void Clear();

 private:
  std::ostream& err_;
  const bool on_terminal_;
  const size_t steps_;
  size_t begun_ = 0;
};

}  // namespace bench

#endif  // TIDEWAY_BENCH_DRIVER_PROGRESS_H_
