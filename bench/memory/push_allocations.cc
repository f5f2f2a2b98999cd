// What a push takes from the heap, at the worker and at the server, once everything is warm.
//
//   bench_push_allocations measure --bytes=4096 --pushes=1000 --codec=identity
//
// A real Client and a real Server over tcp, each in a process of its own, both of which count (allocation_counter.h). Prints how many
// allocations each end makes per push and per fragment of it, and --sites of the places that make the most of them, with the --depth
// innermost functions that led there.
// Exit status 1 where an end makes more than --client-max or --server-max per push (in thousandths; 0: whatever it makes is right).

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
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
#include "bench/memory/allocation_counter.h"
#include "bench/memory/roles.h"
#include "nlohmann/json.hpp"
#include "tideway/blocking.h"
#include "tideway/builtin_codecs.h"
#include "tideway/builtin_transports.h"
#include "tideway/client.h"
#include "tideway/layout.h"
#include "tideway/runtime.h"
#include "tideway/server.h"

namespace bench {
namespace {

using Json = nlohmann::json;

constexpr absl::Duration kPatience = absl::Minutes(1);

template <typename T>
T Get(absl::StatusOr<T> result) {
  if (!result.ok()) throw std::runtime_error(result.status().ToString());
  return *std::move(result);
}

struct Settings {
  Settings(const Options& options, const char* name)
      : program(name),
        bytes(options.Number("bytes", 4096) / sizeof(float) * sizeof(float)),
        fragment(options.Number("fragment", tideway::kFragmentBytesDefault)),
        pushes(options.Number("pushes", 1000)),
        sites(options.Number("sites", 40)),
        depth(options.Number("depth", 4)),
        client_max(options.Number("client-max", 0)),
        server_max(options.Number("server-max", 0)),
        uri(options.Text("uri", "tcp://127.0.0.1:0")),
        codec(options.Text("codec", "identity")),
        optimizer(options.Text("optimizer", "sgd:lr=1")) {
    if (bytes == 0 || pushes == 0) {
      throw std::invalid_argument("--bytes and --pushes must be positive");
    }
  }

  const char* program;
  size_t bytes;
  size_t fragment;    // at most
  size_t pushes;      // that are counted
  size_t sites;       // that are printed
  size_t depth;       // functions of each
  size_t client_max;  // allocations per push, in thousandths; 0: any number
  size_t server_max;
  std::string uri;
  std::string codec;
  std::string optimizer;
};

tideway::RuntimeOptions MakeRuntimeOptions() {
  return {.transports = tideway::BuiltinTransports(), .codecs = tideway::BuiltinCodecs()};
}

tideway::Layout MakeLayout(const Settings& settings) {
  return Get(
      tideway::Layout::Create({{"vector", {static_cast<int64_t>(settings.bytes / sizeof(float))}}},
                              {.fragment_bytes_max = settings.fragment}));
}

Json ToJson(const std::vector<AllocationSite>& sites) {
  Json json = Json::array();
  for (const AllocationSite& site : sites) {
    json.push_back({{"allocations", site.allocations}, {"frames", site.frames}});
  }
  return json;
}

// --- the server's process: counts between the lines "begin" and "end" ---

void RunServer(const Settings& settings) {
  tideway::Runtime runtime(MakeRuntimeOptions());
  const tideway::Layout layout = MakeLayout(settings);
  const auto server = Get(tideway::Server::Start(
      &runtime, {.listen = {settings.uri}, .outer_optimizer = settings.optimizer}, layout,
      std::vector<float>(layout.elements(), 0.0f)));
  std::cout << Json({{"address", server->addresses()[0]}}).dump() << std::endl;
  std::string line;
  while (std::getline(std::cin, line) && line != "quit") {
    Json answer = Json::object();
    if (line == "begin") {
      BeginToCountAllocations(settings.program);
    } else {
      answer["sites"] = ToJson(EndCountingAllocations());
    }
    std::cout << answer.dump() << std::endl;
  }
}

// --- the process that measures, which is the worker too ---

class Pusher {
 public:
  Pusher(const Settings& settings, const std::string& address)
      : runtime_(MakeRuntimeOptions()),
        layout_(MakeLayout(settings)),
        delta_(layout_.elements()),
        client_(Get(tideway::Client::Create(
            &runtime_, {.servers = {address}, .worker = "worker", .codec_up = settings.codec},
            layout_))) {
    FillPattern(delta_.span());
    const absl::Status joined =
        tideway::Await([&](auto done) { client_->Join(Deadline(), std::move(done)); });
    if (!joined.ok()) throw std::runtime_error(joined.ToString());
  }

  // One after the other, as a program that waits for each.
  void Push(size_t times) {
    for (size_t i = 0; i < times; ++i) {
      Get(tideway::AwaitResult<tideway::PushReport>(
          [&](auto done) { client_->Push(delta_.span(), {}, Deadline(), std::move(done)); }));
    }
  }

  size_t fragments() const { return layout_.fragments().size(); }

 private:
  absl::Time Deadline() { return runtime_.executor().Now() + kPatience; }

  tideway::Runtime runtime_;
  const tideway::Layout layout_;
  Vector delta_;
  std::unique_ptr<tideway::Client> client_;
};

double PerPush(const Json& sites, const Settings& settings) {
  uint64_t allocations = 0;
  for (const Json& site : sites) allocations += site.value("allocations", uint64_t{0});
  return static_cast<double>(allocations) / static_cast<double>(settings.pushes);
}

// Those whose innermost frames are the same are one. The most allocations first.
std::vector<std::pair<double, std::string>> Places(const Json& sites, size_t depth) {
  std::map<std::string, double> by_frames;
  for (const Json& site : sites) {
    std::string text;
    for (size_t i = 0; i < std::min(depth, site["frames"].size()); ++i) {
      absl::StrAppend(&text, "           ", site["frames"][i].get<std::string>(), "\n");
    }
    by_frames[text] += site.value("allocations", 0.0);
  }
  std::vector<std::pair<double, std::string>> places;
  for (const auto& [text, allocations] : by_frames) places.emplace_back(allocations, text);
  std::sort(places.rbegin(), places.rend());
  return places;
}

void Print(const std::string& end, const Json& sites, const Settings& settings, size_t fragments) {
  const double per_push = PerPush(sites, settings);
  std::printf("%s: %.3f allocations per push, %.3f per fragment\n", end.c_str(), per_push,
              per_push / static_cast<double>(fragments));
  const auto places = Places(sites, settings.depth);
  for (size_t i = 0; i < std::min(settings.sites, places.size()); ++i) {
    std::printf("%8.3f per push, by\n%s", places[i].first / static_cast<double>(settings.pushes),
                places[i].second.c_str());
  }
}

bool Exceeds(const Json& sites, const Settings& settings, size_t max_thousandths) {
  return max_thousandths > 0 &&
         1e3 * PerPush(sites, settings) > static_cast<double>(max_thousandths);
}

bool Measure(const Settings& settings) {
  constexpr size_t kWarmUpPushes = 100;
  const auto server = Get(StartProgram(
      {"/proc/self/exe", "server", absl::StrCat("--bytes=", settings.bytes),
       absl::StrCat("--fragment=", settings.fragment), absl::StrCat("--uri=", settings.uri),
       absl::StrCat("--optimizer=", settings.optimizer)}));
  const Json started = Get(server->Answer(kPatience));
  Pusher pusher(settings, started.value("address", std::string()));
  pusher.Push(kWarmUpPushes);
  Get(server->Ask("begin", kPatience));
  BeginToCountAllocations(settings.program);
  pusher.Push(settings.pushes);
  const Json at_client = ToJson(EndCountingAllocations());
  const Json answer = Get(server->Ask("end", kPatience));
  const Json at_server = answer["sites"];
  Print("client", at_client, settings, pusher.fragments());
  Print("server", at_server, settings, pusher.fragments());
  return !Exceeds(at_client, settings, settings.client_max) &&
         !Exceeds(at_server, settings, settings.server_max);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  return bench::RunInRole(
      argc, argv,
      {"bytes", "fragment", "pushes", "sites", "depth", "client-max", "server-max", "uri", "codec",
       "optimizer"},
      [&](const bench::Options& options) {
        return bench::Measure(bench::Settings(options, argv[0]));
      },
      [&](const bench::Options& options) { bench::RunServer(bench::Settings(options, argv[0])); });
}
