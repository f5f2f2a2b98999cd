// Takes the suite's own flags, then runs the tests:
//
//   --host=IP      listen there instead of at 127.0.0.1, for adapters that do not serve the loopback address
//   --also=URI     one more subject: the scheme and parameters of URI, for example ucx://any?tls=rc_v; may be repeated

#include <iostream>
#include <string>

#include "absl/strings/strip.h"
#include "gtest/gtest.h"
#include "tests/conformance/transport_fixture.h"

namespace tideway::testing {
namespace {

// False: no flag of ours. An error is printed.
bool TakeFlag(absl::string_view argument, bool* wrong) {
  if (absl::ConsumePrefix(&argument, "--host=")) {
    Flags().host = std::string(argument);
    return true;
  }
  if (!absl::ConsumePrefix(&argument, "--also=")) return false;
  const absl::StatusOr<Uri> uri = Uri::Parse(argument);
  if (uri.ok()) {
    Flags().also.push_back(*uri);
  } else {
    std::cerr << "--also=" << argument << ": " << uri.status().message() << "\n";
    *wrong = true;
  }
  return true;
}

int Main(int argc, char** argv) {
  int kept = 1;
  bool wrong = false;
  for (int i = 1; i < argc; ++i) {
    if (!TakeFlag(argv[i], &wrong)) argv[kept++] = argv[i];
  }
  if (wrong) return 2;
  SignalHandlersAtStart() = SignalHandlers();
  ::testing::InitGoogleTest(&kept, argv);
  return RUN_ALL_TESTS();
}

}  // namespace
}  // namespace tideway::testing

int main(int argc, char** argv) { return tideway::testing::Main(argc, argv); }
