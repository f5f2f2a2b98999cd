#include "trainer/compute_threads.h"

#include <dlfcn.h>

#include <torch/torch.h>

namespace tideway::trainer {

void SetComputeThreads(int threads) {
  torch::set_num_threads(threads);
  // Looked up, since LibTorch may sit on another BLAS.
  using SetThreads = void (*)(int);
  if (void* found = dlsym(RTLD_DEFAULT, "openblas_set_num_threads")) {
    reinterpret_cast<SetThreads>(found)(threads);
  }
}

}  // namespace tideway::trainer
