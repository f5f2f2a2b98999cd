#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "bench/driver/bench_server.h"
#include "bench/driver/command.h"
#include "bench/driver/host.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tideway/builtin_transports.h"
#include "tools/exit_status.h"

namespace bench {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using tideway::tools::kDoneStatus;
using tideway::tools::kFailedStatus;
using tideway::tools::kUsageStatus;
using Json = nlohmann::json;

constexpr absl::Duration kPatience = absl::Seconds(30);

struct Answer {
  int status;
  std::string out;
  std::string err;
};

Answer Ask(const std::vector<std::string>& arguments) {
  std::ostringstream out;
  std::ostringstream err;
  const int status = RunCommand(
      arguments, {.transports = tideway::BuiltinTransports(), .self = TIDEWAY_BENCH_PROGRAM}, out,
      err);
  return {status, out.str(), err.str()};
}

// A server on a free port, which serves until the test's end.
class Served {
 public:
  explicit Served(const std::string& version = "") {
    auto server = BenchServer::Listen(
        {.listen = "tcp://127.0.0.1:0", .self = TIDEWAY_BENCH_PROGRAM, .version = version},
        tideway::BuiltinTransports());
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    thread_ = std::thread([this] { server_->Serve(); });
  }
  ~Served() {
    server_->Stop();
    thread_.join();
  }

  std::string address() const { return server_->address(); }

 private:
  std::unique_ptr<BenchServer> server_;
  std::thread thread_;
};

TEST(BenchServer, MeasuresTidewayAndRawWithTheServersThere) {
  const Served served;
  const Answer answer = Ask({"push", "--connect", served.address(), "--size", "64KiB", "--raw",
                             "--rounds", "1", "--seconds", "0.01", "--json", "-"});
  ASSERT_EQ(answer.status, kDoneStatus) << answer.err;
  const Json json = Json::parse(answer.out);
  EXPECT_GT(json["results"][0]["cpu_s_per_gb_server"].get<double>(), 0);
  EXPECT_GT(json["results"][0]["raw"]["cpu_s_per_gb_server"].get<double>(), 0);
  EXPECT_EQ(json["server"]["version"], json["versions"]["tideway"]);
}

TEST(BenchServer, ServesOneDriverAfterTheOther) {
  const Served served;
  for (int i = 0; i < 2; ++i) {
    const Answer answer = Ask({"pull", "--connect", served.address(), "--size", "4KiB", "--rounds",
                               "1", "--seconds", "0.01"});
    EXPECT_EQ(answer.status, kDoneStatus) << answer.err;
  }
}

TEST(BenchServer, AnotherVersionIsRefusedByName) {
  const Served served("9.9.9");
  const Answer answer = Ask({"push", "--connect", served.address()});
  EXPECT_EQ(answer.status, kFailedStatus);
  EXPECT_THAT(answer.err, AllOf(HasSubstr("is of Tideway 9.9.9 and this one of "),
                                HasSubstr("take the same version on both hosts\n")));
}

TEST(BenchServer, WhereNobodyListensIsSaidWithTheFix) {
  const Answer answer = Ask({"push", "--connect", "tcp://127.0.0.1:1"});
  EXPECT_EQ(answer.status, kFailedStatus);
  EXPECT_EQ(answer.err,
            "tideway-bench: can't reach tideway-bench at tcp://127.0.0.1:1: Connection refused; "
            "start tideway-bench --server there\n");
}

TEST(BenchServer, AnAddressThatIsNoneIsRefused) {
  for (const std::string wrong : {"here", "tcp://127.0.0.1", "ucx://127.0.0.1:7411"}) {
    EXPECT_EQ(Ask({"push", "--connect", wrong}).status, kUsageStatus) << wrong;
    EXPECT_EQ(Ask({"--server", "--listen", wrong}).status, kUsageStatus) << wrong;
  }
  EXPECT_THAT(Ask({"--server", "--listen", "tcp://192.0.2.1:0"}).err,
              HasSubstr("can't listen on tcp://192.0.2.1:0: Cannot assign"));
}

TEST(BenchServer, StartsNothingButTheBenchmarksPrograms) {
  const Served served;
  auto host = ConnectHost(served.address());
  ASSERT_TRUE(host.ok()) << host.status();
  for (const std::string program : {"/bin/sh", "../raw_sockets", "", "tideway-bench"}) {
    const auto started = (*host)->StartServer({.program = program, .server = {"server"}});
    EXPECT_THAT(std::string(started.status().message()), HasSubstr("there is no program"));
  }
}

TEST(BenchServer, SaysWhatAProgramComplainsOf) {
  const Served served;
  auto host = ConnectHost(served.address());
  ASSERT_TRUE(host.ok()) << host.status();
  const auto started =
      (*host)->StartServer({.program = "raw_sockets", .server = {"server", "--speed=high"}});
  EXPECT_THAT(std::string(started.status().message()),
              HasSubstr("raw_sockets: no option --speed; there are"));
}

TEST(BenchServer, AnswersNonsenseWithASentence) {
  const Served served;
  auto host = ConnectHost(served.address());
  ASSERT_TRUE(host.ok()) << host.status();
  auto program = (*host)->StartServer({.program = "raw_sockets", .server = {"server"}});
  ASSERT_TRUE(program.ok()) << program.status();
  ASSERT_TRUE((*program)->Answer(kPatience).ok());
  for (const std::string line : {"start ", "start {", "start []", R"(start {"program": 7})",
                                 R"(start {"program": "raw_sockets", "options": [7]})"}) {
    const auto answer = (*program)->Ask(line, kPatience);
    EXPECT_THAT(std::string(answer.status().message()), HasSubstr("on the other host: ")) << line;
  }
}

}  // namespace
}  // namespace bench
