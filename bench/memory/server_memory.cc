// What a server takes of its host's memory, beside what docs/memory.md says that it takes.
//
//   bench_server_memory measure --bytes=1073741824 --optimizer=sgd --workers=2
//
// Starts a server of so many bytes of fp32 parameters as a process of its own, joins the workers, and asks the server's process how
// much of it is resident (VmRSS), and how much was at most (VmHWM), three times: when the server has started; when all workers have
// pushed at once, --pushes times; and when all have pushed at once and then pulled at once, as often; with --pull=meanwhile each pulls as
// soon as its own push is acknowledged, while others still push. Exit status 1 where one of them is off the formula by more than
// --tolerance percent. The program itself counts as what its process held before the server.

#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <future>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/common/control.h"
#include "bench/common/options.h"
#include "bench/common/vectors.h"
#include "bench/driver/program.h"
#include "bench/memory/roles.h"
#include "tideway/blocking.h"
#include "tideway/builtin_codecs.h"
#include "tideway/builtin_transports.h"
#include "tideway/client.h"
#include "tideway/layout.h"
#include "tideway/outer_optimizer.h"
#include "tideway/runtime.h"
#include "tideway/server.h"
#include "tools/text_table.h"

namespace bench {
namespace {

constexpr absl::Duration kPatience = absl::Minutes(10);
constexpr size_t kWorkersMax = 64;

template <typename T>
T Get(absl::StatusOr<T> result) {
  if (!result.ok()) throw std::runtime_error(result.status().ToString());
  return *std::move(result);
}

void Check(const absl::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

struct Settings {
  explicit Settings(const Options& options)
      : bytes(options.Number("bytes", size_t{64} << 20) / sizeof(float) * sizeof(float)),
        credit(options.Number("credit", tideway::kCreditBytesDefault)),
        workers(options.Number("workers", 2)),
        pushes(options.Number("pushes", 3)),
        tolerance(options.Number("tolerance", 10)),
        pulls_meanwhile(options.Choice("pull", {"after", "meanwhile"}) == "meanwhile"),
        optimizer(options.Text("optimizer", "sgd:lr=1")),
        codec(options.Text("codec", "identity")) {
    if (bytes == 0 || pushes == 0 || workers == 0 || workers > kWorkersMax) {
      throw std::invalid_argument(absl::StrCat(
          "--bytes and --pushes must be positive, and --workers from 1 to ", kWorkersMax));
    }
  }

  std::vector<std::string> ToOptions() const {
    return {absl::StrCat("--bytes=", bytes), absl::StrCat("--credit=", credit),
            absl::StrCat("--workers=", workers), absl::StrCat("--optimizer=", optimizer)};
  }

  size_t bytes;  // of the parameters
  size_t credit;
  size_t workers;
  size_t pushes;
  uint64_t tolerance;    // percent
  bool pulls_meanwhile;  // while others push
  std::string optimizer;
  std::string codec;
};

tideway::RuntimeOptions MakeRuntimeOptions() {
  return {.transports = tideway::BuiltinTransports(), .codecs = tideway::BuiltinCodecs()};
}

tideway::Layout MakeLayout(const Settings& settings) {
  return Get(tideway::Layout::Create(
      {{"vector", {static_cast<int64_t>(settings.bytes / sizeof(float))}}}));
}

// --- the server's process ---

// Of this process, in bytes: `name` is VmRSS or VmHWM.
size_t OfProcess(const std::string& name) {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    size_t kibibytes = 0;
    if (word == name + ":" && status >> kibibytes) return kibibytes << 10;
  }
  throw std::runtime_error("/proc/self/status has no " + name + "; this needs Linux");
}

// From here on the most that is resident counts anew.
void ForgetPeak() { std::ofstream("/proc/self/clear_refs") << "5"; }

void RunServer(const Settings& settings) {
  tideway::Runtime runtime(MakeRuntimeOptions());
  const tideway::Layout layout = MakeLayout(settings);
  const size_t program = OfProcess("VmRSS");
  std::vector<float> initial(layout.elements(), 1.0f);
  const auto server = Get(tideway::Server::Start(&runtime,
                                                 {.outer_optimizer = settings.optimizer,
                                                  .credit_bytes = settings.credit,
                                                  .sessions_max = settings.workers},
                                                 layout, initial));
  std::vector<float>().swap(initial);  // the server has a copy
  ForgetPeak();
  std::cout << absl::StrFormat("{\"address\": \"%s\", \"program\": %d}", server->addresses()[0],
                               program)
            << std::endl;
  std::string line;
  while (std::getline(std::cin, line) && line == "memory") {
    std::cout << absl::StrFormat("{\"resident\": %d, \"peak\": %d}", OfProcess("VmRSS"),
                                 OfProcess("VmHWM"))
              << std::endl;
    ForgetPeak();
  }
}

// --- the process that measures ---

// The formula of docs/memory.md. `published`: somebody has pulled.
struct Formula {
  size_t program = 0;
  size_t parameters = 0;
  size_t slots = 0;
  size_t buffers_max = 0;

  size_t Resident(bool published) const {
    return program + parameters * (1 + slots + (published ? 1 : 0));
  }
};

Formula FormulaOf(const Settings& settings, size_t program) {
  const auto optimizer = Get(tideway::BuiltinOuterOptimizers().Create(settings.optimizer));
  return {.program = program,
          .parameters = settings.bytes,
          .slots = optimizer->slot_count(),
          .buffers_max = settings.workers * std::min(settings.credit, settings.bytes) * 9 / 8};
}

class Worker {
 public:
  Worker(tideway::Runtime& runtime, const Settings& settings, const tideway::Layout& layout,
         const std::string& address, size_t number)
      : runtime_(runtime),
        parameters_(layout.elements()),
        client_(Get(tideway::Client::Create(&runtime,
                                            {.servers = {address},
                                             .worker = absl::StrCat("worker-", number),
                                             .codec_up = settings.codec},
                                            layout))) {
    Check(tideway::Await([&](auto done) { client_->Join(Deadline(), std::move(done)); }));
  }

  // What goes wrong is thrown by get() of each.
  std::future<void> Push(const Vector& delta) {
    return Begin([&](auto end) { client_->Push(delta.span(), {}, Deadline(), std::move(end)); });
  }
  std::future<void> Pull() {
    return Begin([&](auto end) { client_->Pull(parameters(), {}, Deadline(), std::move(end)); });
  }
  std::future<void> PushPull(const Vector& delta) {
    return Begin([&](auto end) {
      client_->PushPull(delta.span(), {}, parameters(), {}, Deadline(), std::move(end));
    });
  }

 private:
  template <typename Call>
  static std::future<void> Begin(Call call) {
    auto promise = std::make_shared<std::promise<void>>();
    std::future<void> ended = promise->get_future();
    call([promise](const auto& report) {
      if (report.ok()) return promise->set_value();
      promise->set_exception(
          std::make_exception_ptr(std::runtime_error(report.status().ToString())));
    });
    return ended;
  }

  absl::Time Deadline() const { return runtime_.executor().Now() + kPatience; }
  absl::Span<float> parameters() { return {parameters_.data(), parameters_.size()}; }

  tideway::Runtime& runtime_;
  Vector parameters_;
  std::unique_ptr<tideway::Client> client_;
};

struct Taken {
  size_t resident = 0;
  size_t peak = 0;
};

Taken Ask(Program& server) {
  const nlohmann::json answer = Get(server.Ask("memory", kPatience));
  return {answer.value("resident", size_t{0}), answer.value("peak", size_t{0})};
}

// Prints rows, and knows whether one of them was off.
class Comparison {
 public:
  Comparison(const Formula& formula, double tolerance) : formula_(formula), tolerance_(tolerance) {}

  void Add(const std::string& when, bool pushed, bool published, const Taken& taken) {
    const size_t least = formula_.Resident(published);
    const size_t most = least + (pushed ? formula_.buffers_max : 0);
    const double off = Off(taken.resident, least, most);
    const double peak_off = Off(taken.peak, least, most);
    if (std::abs(off) > tolerance_ || std::abs(peak_off) > tolerance_) good_ = false;
    table_.AddRow({when, MiB(least), MiB(most), MiB(taken.resident), Percent(off), MiB(taken.peak),
                   Percent(peak_off)});
  }

  bool good() const { return good_; }
  std::string ToString() const { return table_.ToString(); }

 private:
  // How far `bytes` is outside of the range, as a share of its nearer end.
  static double Off(size_t bytes, size_t least, size_t most) {
    const auto value = static_cast<double>(bytes);
    if (bytes < least) return value / static_cast<double>(least) - 1;
    if (bytes > most) return value / static_cast<double>(most) - 1;
    return 0;
  }
  static std::string MiB(size_t bytes) {
    return absl::StrFormat("%.1f", std::ldexp(static_cast<double>(bytes), -20));
  }
  static std::string Percent(double share) { return absl::StrFormat("%+.1f %%", 100 * share); }

  const Formula formula_;
  const double tolerance_;
  bool good_ = true;
  tideway::tools::TextTable table_{{{"when"},
                                    {"formula MiB", tideway::tools::TextTable::kRight},
                                    {"with buffers", tideway::tools::TextTable::kRight},
                                    {"VmRSS", tideway::tools::TextTable::kRight},
                                    {"off by", tideway::tools::TextTable::kRight},
                                    {"VmHWM", tideway::tools::TextTable::kRight},
                                    {"off by", tideway::tools::TextTable::kRight}}};
};

using Workers = std::vector<std::unique_ptr<Worker>>;

// All at once.
template <typename Operation>
void OfAll(const Workers& workers, Operation operation) {
  std::vector<std::future<void>> under_way;
  for (const auto& worker : workers) under_way.push_back(operation(*worker));
  for (std::future<void>& one : under_way) one.get();
}

void PushAndPull(const Settings& settings, const Workers& workers, const Vector& delta) {
  if (settings.pulls_meanwhile) {
    return OfAll(workers, [&](Worker& worker) { return worker.PushPull(delta); });
  }
  OfAll(workers, [&](Worker& worker) { return worker.Push(delta); });
  OfAll(workers, [&](Worker& worker) { return worker.Pull(); });
}

bool Measure(const Settings& settings) {
  std::vector<std::string> command = {"/proc/self/exe", "server"};
  for (std::string& option : settings.ToOptions()) command.push_back(std::move(option));
  const auto server = Get(StartProgram(command));
  const nlohmann::json started = Get(server->Answer(kPatience));
  Comparison comparison(FormulaOf(settings, started.value("program", size_t{0})),
                        1e-2 * static_cast<double>(settings.tolerance));
  comparison.Add("started", false, false, Ask(*server));

  tideway::Runtime runtime(MakeRuntimeOptions());
  const tideway::Layout layout = MakeLayout(settings);
  Workers workers;
  for (size_t i = 0; i < settings.workers; ++i) {
    workers.push_back(std::make_unique<Worker>(runtime, settings, layout,
                                               started.value("address", std::string()), i));
  }
  Vector delta(layout.elements());
  FillPattern(delta.span());
  for (size_t push = 0; push < settings.pushes; ++push) {
    OfAll(workers, [&](Worker& worker) { return worker.Push(delta); });
  }
  comparison.Add("pushed", true, false, Ask(*server));
  for (size_t push = 0; push < settings.pushes; ++push) PushAndPull(settings, workers, delta);
  comparison.Add("pushed and pulled", true, true, Ask(*server));
  std::printf("%s", comparison.ToString().c_str());
  return comparison.good();
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  return bench::RunInRole(
      argc, argv,
      {"bytes", "credit", "workers", "pushes", "pull", "tolerance", "optimizer", "codec"},
      [](const bench::Options& options) { return bench::Measure(bench::Settings(options)); },
      [](const bench::Options& options) { bench::RunServer(bench::Settings(options)); });
}
