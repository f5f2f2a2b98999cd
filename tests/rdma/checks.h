// What two machines check of one address, each in the role of a server and of a client. The two ends run in different
// processes, on different machines; both return OK or what was wrong.

#ifndef TIDEWAY_TESTS_RDMA_CHECKS_H_
#define TIDEWAY_TESTS_RDMA_CHECKS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tideway/runtime.h"
#include "tideway/uri.h"

namespace tideway::rdma {

// Bytes that look random; the same on both ends for one seed.
std::vector<std::byte> Pattern(size_t bytes, uint64_t seed);

// Prints where a server listens, as "listens at URI".
void PrintAddress(const std::string& uri);
// Prints what a connection tells of itself, one "detail KEY=VALUE" a line, for tests/rdma/run.
void PrintConnection(const ConnectionInfo& info);
// Prints how many payload bytes this end has sent and received, which the adapter's counters must exceed.
void PrintBytes(size_t bytes);

// Messages of every size up to the largest, there and back, all under way at once; order and content are checked. Then the
// server closes a connection, and at the end dies without closing one: the client must notice both.
absl::Status ServeMessages(Runtime& runtime, const Uri& uri);
absl::Status TryMessages(Runtime& runtime, const Uri& uri);

// Reads of the server's memory: all of it, parts, nothing, beyond its end, and once more after the server has changed it.
absl::Status ServeReads(Runtime& runtime, const Uri& uri);
absl::Status TryReads(Runtime& runtime, const Uri& uri);

// Workers push deltas of whole numbers; server and workers check that the parameters are exactly their sum.
absl::Status ServeExactSum(Runtime& runtime, const Uri& uri);
absl::Status TryExactSum(const Uri& uri);

}  // namespace tideway::rdma

#endif  // TIDEWAY_TESTS_RDMA_CHECKS_H_
