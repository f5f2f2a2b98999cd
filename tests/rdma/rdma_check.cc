// One end of a check between two machines; tests/rdma/run starts the two ends.
//
//   rdma_check ROLE CHECK URI      ROLE: serve or try.  CHECK: messages, reads or sum.
//
// Ends with 0 if the check passed as seen from this end, and says what was wrong otherwise.

#include <algorithm>
#include <cstring>
#include <iostream>
#include <string>

#include "tests/rdma/checks.h"
#include "tideway/builtin_codecs.h"
#include "tideway/builtin_transports.h"

namespace tideway::rdma {

std::vector<std::byte> Pattern(size_t bytes, uint64_t seed) {
  std::vector<std::byte> pattern(bytes);
  uint64_t word = seed * 0x9e3779b97f4a7c15 + 1;
  for (size_t i = 0; i < bytes; i += sizeof(word)) {
    word ^= word << 13;
    word ^= word >> 7;
    word ^= word << 17;
    std::memcpy(&pattern[i], &word, std::min(sizeof(word), bytes - i));
  }
  return pattern;
}

void PrintAddress(const std::string& uri) { std::cout << "listens at " << uri << std::endl; }

void PrintConnection(const ConnectionInfo& info) {
  std::cout << "detail transport=" << info.transport << "\n";
  for (const auto& [key, value] : info.details) {
    std::cout << "detail " << key << "=" << value << "\n";
  }
}

void PrintBytes(size_t bytes) { std::cout << "payload bytes " << bytes << "\n"; }

namespace {

constexpr char kUsage[] = "use: rdma_check serve|try messages|reads|sum URI";

absl::Status RunCheck(const std::string& role, const std::string& check, const Uri& uri) {
  Runtime runtime({.transports = BuiltinTransports(), .codecs = BuiltinCodecs()});
  const bool serve = role == "serve";
  if (!serve && role != "try") return absl::InvalidArgumentError(kUsage);
  if (check == "messages") return serve ? ServeMessages(runtime, uri) : TryMessages(runtime, uri);
  if (check == "reads") return serve ? ServeReads(runtime, uri) : TryReads(runtime, uri);
  if (check == "sum") return serve ? ServeExactSum(runtime, uri) : TryExactSum(uri);
  return absl::InvalidArgumentError(kUsage);
}

int Main(int argc, char** argv) {
  absl::Status status = absl::InvalidArgumentError(kUsage);
  if (argc == 4) {
    const absl::StatusOr<Uri> uri = Uri::Parse(argv[3]);
    status = uri.ok() ? RunCheck(argv[1], argv[2], *uri) : uri.status();
  }
  std::cout << (status.ok() ? "check passed" : "check failed: " + status.ToString()) << std::endl;
  return status.ok() ? 0 : 1;
}

}  // namespace
}  // namespace tideway::rdma

int main(int argc, char** argv) { return tideway::rdma::Main(argc, argv); }
