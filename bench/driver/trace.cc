#include "bench/driver/trace.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace bench {
namespace {

using Json = nlohmann::json;

const char* NameOf(StagePlace place) {
  switch (place) {
    case StagePlace::kWorker:
      return "1 worker";
    case StagePlace::kWire:
      return "2 wire";
    case StagePlace::kServer:
      return "3 server";
  }
  return "";
}

// A run of stages of one fragment that follow one another in one place.
struct Span {
  const FragmentTimes* fragment;
  size_t first;
  size_t last;

  int64_t begin_ns() const { return fragment->begin_ns(first); }
  int64_t end_ns() const { return fragment->end_ns(last); }
};

std::vector<Span> SpansOf(StagePlace place, const std::vector<FragmentTimes>& fragments) {
  std::vector<Span> spans;
  for (const FragmentTimes& fragment : fragments) {
    for (size_t i = 0; i < kStages.size(); ++i) {
      if (kStages[i].place != place) continue;
      if (i > 0 && kStages[i - 1].place == place) {
        spans.back().last = i;
      } else {
        spans.push_back({&fragment, i, i});
      }
    }
  }
  std::stable_sort(spans.begin(), spans.end(),
                   [](const Span& a, const Span& b) { return a.begin_ns() < b.begin_ns(); });
  return spans;
}

// The lowest lane that is free: slices of one lane must not overlap.
size_t TakeLane(std::vector<int64_t>& busy_until_ns, const Span& span) {
  const auto free = std::find_if(busy_until_ns.begin(), busy_until_ns.end(),
                                 [&](int64_t until) { return until <= span.begin_ns(); });
  const auto lane = static_cast<size_t>(free - busy_until_ns.begin());
  if (free == busy_until_ns.end()) busy_until_ns.push_back(0);
  busy_until_ns[lane] = span.end_ns();
  return lane;
}

Json NameEvent(const char* what, int process, size_t lane, const std::string& name) {
  return {{"ph", "M"}, {"name", what}, {"pid", process}, {"tid", lane}, {"args", {{"name", name}}}};
}

}  // namespace

void Trace::Add(const std::string& name, const std::vector<FragmentTimes>& all) {
  const size_t shown = std::min(all.size(), kFragmentsMax);
  const std::vector<FragmentTimes> fragments(all.end() - static_cast<ptrdiff_t>(shown), all.end());
  if (fragments.empty()) return;
  int64_t zero_ns = INT64_MAX;  // each case begins at 0
  for (const FragmentTimes& fragment : fragments) {
    zero_ns = std::min(zero_ns, fragment.at_ns.front());
  }
  for (const StagePlace place : {StagePlace::kWorker, StagePlace::kWire, StagePlace::kServer}) {
    AddPlace(name, place, fragments, zero_ns);
  }
}

void Trace::AddPlace(const std::string& name, StagePlace place,
                     const std::vector<FragmentTimes>& fragments, int64_t zero_ns) {
  const int process = ++processes_;
  std::vector<int64_t> busy_until_ns;
  const auto microseconds = [&](int64_t ns) { return 1e-3 * static_cast<double>(ns - zero_ns); };
  for (const Span& span : SpansOf(place, fragments)) {
    const size_t lane = TakeLane(busy_until_ns, span);
    for (size_t i = span.first; i <= span.last; ++i) {
      events_.push_back({{"ph", "X"},
                         {"name", kStages[i].name},
                         {"cat", "push"},
                         {"pid", process},
                         {"tid", lane},
                         {"ts", microseconds(span.fragment->begin_ns(i))},
                         {"dur", 1e-3 * static_cast<double>(span.fragment->took_ns(i))},
                         {"args",
                          {{"fragment", span.fragment->fragment},
                           {"sequence", span.fragment->sequence},
                           {"bytes", span.fragment->bytes}}}});
    }
  }
  events_.push_back(NameEvent("process_name", process, 0, absl::StrCat(name, ": ", NameOf(place))));
  for (size_t lane = 0; lane < busy_until_ns.size(); ++lane) {
    events_.push_back(NameEvent("thread_name", process, lane, absl::StrCat("lane ", lane)));
  }
}

std::string Trace::ToString() const {
  const Json trace = {{"displayTimeUnit", "ns"}, {"traceEvents", events_}};
  return trace.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace bench
