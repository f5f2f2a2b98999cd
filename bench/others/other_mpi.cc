// Push and pull as MPI's one-sided operations: the server's vector is a window; a push is MPI_Accumulate with MPI_SUM, a pull is MPI_Get.
//
//   mpirun -n 2 other_mpi client --form=push --bytes=67108864      rank 0 works, rank 1 has the window
//   other_mpi server                                                nobody is needed there; it answers the driver
//
// MPI starts both ends itself, so the client verifies what is in the window, and its CPU time is that of rank 0 alone; rank 1 waits by
// polling, as MPI does.

#include <mpi.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/common/control.h"
#include "bench/common/vectors.h"
#include "bench/others/exchange.h"

namespace bench {
namespace {

constexpr int kOwner = 1;

class Window {
 public:
  explicit Window(const ExchangeSettings& settings) : settings_(settings) {
    int size = 0;
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (size != 2) throw std::invalid_argument("start it with mpirun -n 2");
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    const auto bytes = static_cast<MPI_Aint>(rank_ == kOwner ? settings.bytes : 0);
    MPI_Win_allocate(bytes, sizeof(float), MPI_INFO_NULL, MPI_COMM_WORLD, &memory_, &window_);
    if (rank_ == kOwner) {
      const std::span<float> vector(memory_, settings.bytes / sizeof(float));
      std::fill(vector.begin(), vector.end(), 0.0f);
      if (!settings.push()) FillPattern(vector);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Win_lock_all(0, window_);
  }
  ~Window() {
    MPI_Win_unlock_all(window_);
    MPI_Win_free(&window_);
  }
  Window(const Window&) = delete;
  Window& operator=(const Window&) = delete;

  int rank() const { return rank_; }

  void Add(const float* data) {
    ForEachChunk([&](size_t at, int count) {
      MPI_Accumulate(data + at, count, MPI_FLOAT, kOwner, static_cast<MPI_Aint>(at), count,
                     MPI_FLOAT, MPI_SUM, window_);
    });
  }
  void Get(float* data) {
    ForEachChunk([&](size_t at, int count) {
      MPI_Get(data + at, count, MPI_FLOAT, kOwner, static_cast<MPI_Aint>(at), count, MPI_FLOAT,
              window_);
    });
  }

 private:
  template <typename Each>
  void ForEachChunk(Each each) {
    const size_t all = settings_.bytes / sizeof(float);
    const size_t step = settings_.chunk / sizeof(float);
    for (size_t at = 0; at < all; at += step) each(at, static_cast<int>(std::min(step, all - at)));
    MPI_Win_flush(kOwner, window_);
  }

  const ExchangeSettings& settings_;
  int rank_ = 0;
  float* memory_ = nullptr;
  MPI_Win window_ = MPI_WIN_NULL;
};

void Work(const ExchangeSettings& settings, Window& window) {
  Vector vector(settings.bytes / sizeof(float));
  Vector seen(settings.bytes / sizeof(float));
  if (settings.push()) FillPattern(vector.span());
  uint64_t pushes = 0;
  RunClient({.bytes = settings.bytes,
             .pushes = settings.push(),
             .operation =
                 [&] {
                   if (settings.push()) {
                     window.Add(vector.data());
                     ++pushes;
                   } else {
                     window.Get(vector.data());
                   }
                 },
             .check =
                 [&] {
                   window.Get(seen.data());
                   return IsPattern(seen.span(),
                                    settings.push() ? static_cast<double>(pushes) : 1.0) &&
                          IsPattern(vector.span(), 1.0);
                 }});
}

void RunRanks(const ExchangeSettings& settings) {
  Window window(settings);
  if (window.rank() != kOwner) Work(settings, window);
  MPI_Barrier(MPI_COMM_WORLD);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  return bench::ExchangeMain(
      argc, argv,
      // The client verifies.
      [](const bench::ExchangeSettings&) {
        bench::ServeDriver("rank 1", [](uint64_t) { return true; });
      },
      [&](const bench::ExchangeSettings& settings) {
        MPI_Init(&argc, &argv);
        bench::RunRanks(settings);
        MPI_Finalize();
      });
}
