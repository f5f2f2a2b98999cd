// The live view of a run: a table of the workers and a bar, redrawn in place on a terminal, plain lines otherwise.
//
// Rendering is pure: a ProgressView in, text out. Only ProgressPrinter writes, to the stream that it was given.
#ifndef TIDEWAY_TRAINER_PROGRESS_H_
#define TIDEWAY_TRAINER_PROGRESS_H_

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace tideway::trainer {

struct WorkerRow {
  std::string name;
  std::string state;  // "training", "waiting", "gone", ...
  uint64_t inner_step = 0;
  double tokens_per_second = 0;
  double loss = 0;            // nats per byte; 0: none yet
  double staleness_mean = 0;  // versions
  uint64_t staleness_max = 0;
  uint64_t bytes_up = 0;  // encoded
  uint64_t bytes_down = 0;
  double ratio_up = 0;  // fp32 bytes per encoded byte; 0: none yet
};

struct ProgressView {
  std::string title;
  double seconds = 0;
  double seconds_left = -1;  // below zero: unknown
  uint64_t steps = 0;        // inner steps over all workers
  uint64_t steps_target = 0;
  uint64_t version = 0;
  double held_out_loss = 0;  // the newest; 0: none yet
  std::vector<WorkerRow> workers = {};
};

// The table and the bar, each line at most `width` columns and ending in a newline. Columns that don't fit are left out,
// from the right.
std::string RenderProgress(const ProgressView& view, size_t width);

// One line for logs and pipes, ending in a newline.
std::string RenderProgressLine(const ProgressView& view);

class ProgressPrinter {
 public:
  // `in_place`: redraw over the former view; only for a terminal. `out` stays the caller's.
  ProgressPrinter(std::FILE* out, bool in_place) : out_(out), in_place_(in_place) {}

  void Show(const ProgressView& view);
  // A message that stays, above the view.
  void Say(const std::string& line);
  // Leaves the last view standing.
  void Finish() { lines_ = 0; }

 private:
  void EraseView();

  std::FILE* out_;
  bool in_place_;
  size_t lines_ = 0;  // of the view that stands
  double last_plain_seconds_ = -1e9;
};

}  // namespace tideway::trainer

#endif  // TIDEWAY_TRAINER_PROGRESS_H_
