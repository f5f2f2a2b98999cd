// One-sided pulls in virtual time: workers that push and read over in-process connections, the same way for the same seed.

#include <functional>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tideway/builtin_codecs.h"
#include "tideway/builtin_transports.h"
#include "tideway/client.h"
#include "tideway/runtime.h"
#include "tideway/server.h"
#include "tideway/sim_executor.h"

namespace tideway {
namespace {

constexpr size_t kElements = 64;
constexpr int kRounds = 30;

// One server and three workers. Each pushes whole numbers at moments of its own, and pulls what contains them.
class World {
 public:
  explicit World(uint64_t seed) : executor_(seed) {
    RuntimeOptions options;
    options.transports = BuiltinTransports();
    options.codecs = BuiltinCodecs();
    options.executor = &executor_;
    runtime_ = std::make_unique<Runtime>(std::move(options));
    const std::vector<float> initial(kElements, 0.0f);
    server_ = *Server::Start(runtime_.get(),
                             {.listen = {"inproc://server"}, .outer_optimizer = "sgd:lr=1"},
                             layout_, initial);
    for (int i = 0; i < 3; ++i) {
      clients_.push_back(*Client::Create(
          runtime_.get(), {.servers = {"inproc://server"}, .worker = absl::StrCat("worker-", i)},
          layout_));
      theta_.emplace_back(kElements);
      clients_.back()->Join(Later(), [this, i](absl::Status joined) {
        EXPECT_TRUE(joined.ok()) << joined;
        Rest(i, kRounds);
      });
    }
    EXPECT_TRUE(executor_.RunUntilTrue([this] { return finished_ == 3; }, Later()));
  }

  ~World() {
    for (auto& client : clients_) client->Close();
    executor_.RunFor(absl::Seconds(30));
    clients_.clear();
    server_->Stop();
    executor_.RunFor(absl::Seconds(30));
  }

  const std::string& log() const { return log_; }
  uint32_t one_sided() const { return one_sided_; }

 private:
  absl::Time Later() { return executor_.Now() + absl::Hours(1); }

  void Rest(int worker, int rounds) {
    if (rounds == 0) {
      ++finished_;
      return;
    }
    const auto rest = absl::Microseconds(static_cast<int64_t>(executor_.Random() % 5000));
    executor_.PostAt(executor_.Now() + rest, [this, worker, rounds] { Push(worker, rounds); });
  }

  void Push(int worker, int rounds) {
    const auto w = static_cast<size_t>(worker);
    const float before = theta_[w][0];
    clients_[w]->PushPull(
        delta_, {.inner_steps = 1}, absl::MakeSpan(theta_[w]), {}, Later(),
        [this, w, worker, rounds, before](absl::StatusOr<Client::PushPullReport> report) {
          ASSERT_TRUE(report.ok()) << report.status();
          for (const FragmentSpec& spec : layout_.fragments()) {
            for (size_t k = 0; k < spec.elements; ++k) {
              EXPECT_EQ(theta_[w][spec.offset + k], theta_[w][spec.offset]) << "torn";
            }
          }
          EXPECT_LE(theta_[w][0], before - 1) << "the pull contains the push";
          one_sided_ += report->pull.one_sided;
          absl::StrAppend(&log_, absl::FormatTime(executor_.Now()), " ", worker, " ", theta_[w][0],
                          " ", report->pull.version_min, "..", report->pull.version_max, " ",
                          report->pull.one_sided, "\n");
          Rest(worker, rounds - 1);
        });
  }

  const Layout layout_ = *Layout::Create({{"w", {int64_t{kElements}}}}, {.fragment_bytes_max = 64});
  SimExecutor executor_;
  std::unique_ptr<Runtime> runtime_;
  std::unique_ptr<Server> server_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::vector<float>> theta_;
  const std::vector<float> delta_ = std::vector<float>(kElements, 1.0f);
  std::string log_;
  uint32_t one_sided_ = 0;
  int finished_ = 0;
};

TEST(OneSidedSim, TheSameSeedPullsTheSameBytesTheSameWay) {
  const World first(17);
  const World again(17);
  const World other(18);
  EXPECT_EQ(first.log(), again.log());
  EXPECT_NE(first.log(), other.log());
  EXPECT_GT(first.one_sided(), 0u);
}

}  // namespace
}  // namespace tideway
