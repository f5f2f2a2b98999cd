#include "trainer/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "trainer/format.h"

namespace tideway::trainer {
namespace {

constexpr size_t kWidthMin = 20, kWidthDefault = 100, kWidthMax = 120;
constexpr double kPlainInterval_s = 5.0;

struct Column {
  std::string head;
  size_t width;
  bool left;
  std::function<std::string(const WorkerRow&)> cell;
};

// In order of importance: what doesn't fit is dropped from the right.
std::vector<Column> Columns() {
  return {
      {"worker", 10, true, [](const WorkerRow& w) { return w.name; }},
      {"step", 7, false, [](const WorkerRow& w) { return absl::StrCat(w.inner_step); }},
      {"loss", 6, false, [](const WorkerRow& w) { return w.loss > 0 ? Fixed(w.loss, 3) : "--"; }},
      {"tok/s", 6, false, [](const WorkerRow& w) { return Count(w.tokens_per_second); }},
      {"stale", 9, false,
       [](const WorkerRow& w) {
         return absl::StrFormat("%.1f (%d)", w.staleness_mean, w.staleness_max);
       }},
      {"up", 8, false, [](const WorkerRow& w) { return Bytes(static_cast<double>(w.bytes_up)); }},
      {"down", 8, false,
       [](const WorkerRow& w) { return Bytes(static_cast<double>(w.bytes_down)); }},
      {"ratio", 6, false,
       [](const WorkerRow& w) { return w.ratio_up > 0 ? Fixed(w.ratio_up, 1) + "x" : "--"; }},
      {"state", 9, true, [](const WorkerRow& w) { return w.state; }},
  };
}

std::string Pad(std::string text, size_t width, bool left) {
  if (text.size() > width) text.resize(width);
  const std::string space(width - text.size(), ' ');
  return left ? text + space : space + text;
}

// Bytes are columns here: names are cut by bytes, and all other text is ASCII.
std::string Line(std::string text, size_t width) {
  if (text.size() > width) text.resize(width);
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text + "\n";
}

double Share(const ProgressView& view) {
  if (view.steps_target == 0) return 0.0;
  return std::min(1.0, static_cast<double>(view.steps) / static_cast<double>(view.steps_target));
}

std::string Bar(const ProgressView& view, size_t width) {
  const std::string right = absl::StrFormat(" %3.0f%%  %s, %s left", 100.0 * Share(view),
                                            Duration(view.seconds), Duration(view.seconds_left));
  const size_t room =
      width > right.size() + 12 ? std::min<size_t>(width - right.size() - 2, 60) : 10;
  const size_t full = static_cast<size_t>(Share(view) * static_cast<double>(room) + 1e-9);
  return Line(absl::StrCat("[", std::string(full, '#'), std::string(room - full, '.'), "]", right),
              width);
}

std::string Summary(const ProgressView& view) {
  std::string text = absl::StrCat(view.title, "  steps ", view.steps);
  if (view.steps_target > 0) absl::StrAppend(&text, "/", view.steps_target);
  absl::StrAppend(&text, "  version ", view.version);
  if (view.held_out_loss > 0) absl::StrAppend(&text, "  held-out ", Fixed(view.held_out_loss, 3));
  return text;
}

size_t TerminalWidth(std::FILE* out) {
  winsize size = {};
  const bool known = ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  // One column stays free: a full line would wrap on some terminals.
  return std::clamp<size_t>(known ? size.ws_col - 1u : kWidthDefault, kWidthMin, kWidthMax);
}

}  // namespace

std::string RenderProgress(const ProgressView& view, size_t width) {
  std::vector<Column> columns = Columns();
  const auto total = [&columns] {
    size_t sum = 0;
    for (const Column& column : columns) sum += column.width + 1;
    return sum - 1;
  };
  while (columns.size() > 1 && total() > width) columns.pop_back();

  std::string out = Line(Summary(view), width);
  const auto row = [&](const std::function<std::string(const Column&)>& cell) {
    std::string text;
    for (const Column& column : columns) {
      if (!text.empty()) text += ' ';
      text += Pad(cell(column), column.width, column.left);
    }
    out += Line(std::move(text), width);
  };
  row([](const Column& column) { return column.head; });
  for (const WorkerRow& worker : view.workers) {
    row([&worker](const Column& column) { return column.cell(worker); });
  }
  return out + Bar(view, width);
}

std::string RenderProgressLine(const ProgressView& view) {
  std::string text = absl::StrFormat("%6s %3.0f%%  %s", Duration(view.seconds), 100.0 * Share(view),
                                     Summary(view));
  for (const WorkerRow& w : view.workers) {
    absl::StrAppend(&text, "  | ", w.name, " ", w.state, " ", w.inner_step, " loss ",
                    w.loss > 0 ? Fixed(w.loss, 3) : "--", " ", Count(w.tokens_per_second),
                    " tok/s up ", Bytes(static_cast<double>(w.bytes_up)));
  }
  return text + "\n";
}

void ProgressPrinter::EraseView() {
  if (lines_ == 0) return;
  std::fprintf(out_, "\x1b[%zuA\r\x1b[J", lines_);  // up to its first line, then clear to the end
  lines_ = 0;
}

void ProgressPrinter::Show(const ProgressView& view) {
  if (!in_place_) {
    if (view.seconds - last_plain_seconds_ < kPlainInterval_s) return;
    last_plain_seconds_ = view.seconds;
    std::fputs(RenderProgressLine(view).c_str(), out_);
    std::fflush(out_);
    return;
  }
  const std::string text = RenderProgress(view, TerminalWidth(out_));
  EraseView();
  std::fputs(text.c_str(), out_);
  std::fflush(out_);
  lines_ = static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

void ProgressPrinter::Say(const std::string& line) {
  EraseView();
  std::fprintf(out_, "%s\n", line.c_str());
  std::fflush(out_);
}

}  // namespace tideway::trainer
