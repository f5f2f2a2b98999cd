// How many threads the linear algebra may use.
#ifndef TIDEWAY_TRAINER_COMPUTE_THREADS_H_
#define TIDEWAY_TRAINER_COMPUTE_THREADS_H_

namespace tideway::trainer {

// For LibTorch and for the OpenBLAS under it, which has threads of its own that LibTorch does not know: with several
// workers on one machine they would take the cores from each other.
void SetComputeThreads(int threads);

}  // namespace tideway::trainer

#endif  // TIDEWAY_TRAINER_COMPUTE_THREADS_H_
