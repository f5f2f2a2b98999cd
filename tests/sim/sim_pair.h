// SimPair: one server and one worker in virtual time, over one link.

#ifndef TIDEWAY_TESTS_SIM_SIM_PAIR_H_
#define TIDEWAY_TESTS_SIM_SIM_PAIR_H_

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/sim/sim_calls.h"
#include "tideway/client.h"
#include "tideway/layout.h"
#include "tideway/server.h"

namespace tideway::testing {

class SimPair : protected SimCalls {
 protected:
  SimPair(size_t elements, size_t fragment_bytes)
      : SimCalls(1),
        layout_(*Layout::Create({{"w", {static_cast<int64_t>(elements)}}},
                                {.fragment_bytes_max = fragment_bytes})) {}

  ~SimPair() {
    if (client_ != nullptr) client_->Close();
    executor_.RunFor(absl::Minutes(2));
    client_.reset();
    if (server_ != nullptr) server_->Stop();
    executor_.RunFor(absl::Seconds(10));
    server_.reset();
  }

  // Both ends, on parameters that are zero, with an outer step that adds. The options' addresses and names are filled in here.
  void Start(const SimLink& link, ServerOptions server_options, ClientOptions client_options) {
    network_.SetLink("worker", "server", link);
    server_options.listen = {kUri};
    server_options.outer_optimizer = "sgd:lr=1";
    auto server = Server::Start(server_runtime_.get(), std::move(server_options), layout_,
                                std::vector<float>(layout_.elements(), 0.0f));
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    client_options.servers = {kUri};
    client_options.worker = "w";
    auto client = Client::Create(client_runtime_.get(), std::move(client_options), layout_);
    ASSERT_TRUE(client.ok()) << client.status();
    client_ = *std::move(client);
    client_->Join(Later(), Kept());
    Await();
  }

  void Push(const std::vector<float>& delta) {
    client_->Push(delta, {.inner_steps = 1}, Later(), KeptResult());
    Await();
  }

  const Layout layout_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<Client> client_;

 private:
  static constexpr char kUri[] = "sim://server:5000";

  std::unique_ptr<Runtime> server_runtime_ = NewRuntime("server");
  std::unique_ptr<Runtime> client_runtime_ = NewRuntime("worker");
};

}  // namespace tideway::testing

#endif  // TIDEWAY_TESTS_SIM_SIM_PAIR_H_
