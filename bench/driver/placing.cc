#include "bench/driver/placing.h"

#include <exception>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "bench/common/placement.h"

namespace bench {
namespace {

std::vector<std::string> OptionsFor(const std::string& cpus, const std::string& numa) {
  std::vector<std::string> options;
  if (!cpus.empty()) options.push_back(absl::StrCat("--cpus=", cpus));
  if (!numa.empty()) options.push_back(absl::StrCat("--numa=", numa));
  return options;
}

// bench/common throws.
absl::Status CheckList(const std::string& list) {
  try {
    (void)ParseNumberList(list);
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(error.what());
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<std::string> Placing::WorkerOptions() const { return OptionsFor(worker_cpus, numa); }
std::vector<std::string> Placing::ServerOptions() const { return OptionsFor(server_cpus, numa); }

size_t Placing::WorkerCores(size_t otherwise) const {
  return worker_cpus.empty() ? otherwise : ParseNumberList(worker_cpus).size();
}

absl::StatusOr<Placing> ParsePlacing(absl::string_view cpus, absl::string_view numa) {
  Placing placing = {.worker_cpus = "", .server_cpus = "", .numa = std::string(numa)};
  absl::Status status;
  if (!cpus.empty()) {
    const std::vector<std::string> ends = absl::StrSplit(cpus, absl::MaxSplits('/', 1));
    placing.worker_cpus = ends.front();
    placing.server_cpus = ends.back();
    status.Update(CheckList(placing.worker_cpus));
    status.Update(CheckList(placing.server_cpus));
  }
  if (!numa.empty()) status.Update(CheckList(placing.numa));
  if (!status.ok()) return status;
  return placing;
}

absl::Status RunPlaced(const Placing& placing, const std::function<void()>& work) {
  absl::Status status;
  std::thread([&] {
    try {
      Place(placing.worker_cpus, placing.numa);
    } catch (const std::exception& error) {
      status = absl::InvalidArgumentError(error.what());
      return;
    }
    work();
  }).join();
  return status;
}

}  // namespace bench
