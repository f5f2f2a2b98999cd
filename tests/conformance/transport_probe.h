// What tests of transports are written with: a World holds one or two instances of a transport and an executor, real or
// simulated; a Peer is a Receiver that records; Watched makes completions that fail the test when they are inline,
// doubled or, at the end, dropped.
//
// Waiting is bounded and never sleeps: in real time on a condition variable, in virtual time by running the simulation.

#ifndef TIDEWAY_TESTS_CONFORMANCE_TRANSPORT_PROBE_H_
#define TIDEWAY_TESTS_CONFORMANCE_TRANSPORT_PROBE_H_

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "gtest/gtest.h"
#include "tideway/sim_executor.h"
#include "tideway/transport.h"

namespace tideway::testing {

inline constexpr absl::Duration kPatience = absl::Seconds(60);

// True on a thread that is inside a call of the transport's interface.
inline thread_local int calls_on_this_thread = 0;

template <typename Call>
auto Calling(Call call) {
  struct Scope {
    Scope() { ++calls_on_this_thread; }
    ~Scope() { --calls_on_this_thread; }
  } scope;
  return call();
}

// Checks what every callback of one transport instance must hold: not inline, and one at a time.
class CallbackRule {
 public:
  void Enter() {
    EXPECT_EQ(calls_on_this_thread, 0) << "a callback ran inside the call that caused it";
    EXPECT_EQ(running_.fetch_add(1), 0) << "two callbacks of one transport instance ran at once";
  }
  void Leave() { running_.fetch_sub(1); }

 private:
  std::atomic<int> running_{0};
};

class InCallback {
 public:
  explicit InCallback(CallbackRule& rule) : rule_(rule) { rule_.Enter(); }
  ~InCallback() { rule_.Leave(); }

 private:
  CallbackRule& rule_;
};

// One completion, as it was seen.
struct Completion {
  int fired = 0;
  absl::Status status;
};

class World {
 public:
  // `two_instances`: the client's side gets an instance of its own, where the transport crosses processes.
  explicit World(const TransportEntry& entry, bool two_instances = true) {
    const TransportInfo info = entry.probe();
    if (info.real_time) {
      executor_ = NewThreadExecutor({.threads = 2});
    } else {
      auto sim = std::make_unique<SimExecutor>(1);
      sim_ = sim.get();
      executor_ = std::move(sim);
    }
    server_ = *entry.create({.executor = executor_.get(), .log = {}});
    if (two_instances && info.crosses_processes)
      client_ = *entry.create({.executor = executor_.get(), .log = {}});
  }

  ~World() {
    if (client_ != nullptr) client_->Stop();
    server_->Stop();
    if (sim_ != nullptr) sim_->RunUntilIdle();
    if (std::uncaught_exceptions() == 0) ExpectAllFired();
    client_.reset();
    server_.reset();
  }

  Executor& executor() { return *executor_; }
  SimExecutor* sim() { return sim_; }
  Transport& server() { return *server_; }
  Transport& client() { return client_ != nullptr ? *client_ : *server_; }
  CallbackRule& server_rule() { return server_rule_; }
  CallbackRule& client_rule() { return client_ != nullptr ? client_rule_ : server_rule_; }
  absl::Mutex& mutex() { return mutex_; }
  absl::Time Soon(absl::Duration after = kPatience) { return executor_->Now() + after; }

  // Waits until `holds`, which is asked under mutex(), is true.
  bool Await(const std::function<bool()>& holds) {
    if (sim_ != nullptr) {
      return sim_->RunUntilTrue([&] {
        absl::MutexLock lock(&mutex_);
        return holds();
      });
    }
    absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithTimeout(absl::Condition(&Holds, &holds), kPatience);
  }

  // A completion to wait for. It is checked to have fired exactly once when the World ends.
  std::shared_ptr<Completion> NewCompletion() {
    auto completion = std::make_shared<Completion>();
    absl::MutexLock lock(&mutex_);
    completions_.push_back(completion);
    return completion;
  }

  Done Watched(const std::shared_ptr<Completion>& completion, CallbackRule& rule,
               std::function<void(const absl::Status&)> then = nullptr) {
    return [this, completion, &rule, then = std::move(then)](absl::Status status) {
      InCallback in_callback(rule);
      if (then) then(status);
      // Last, so that whoever waits for it may take down what `then` uses.
      absl::MutexLock lock(&mutex_);
      EXPECT_EQ(++completion->fired, 1) << "a completion fired twice";
      completion->status = status;
    };
  }

  bool AwaitFired(const std::shared_ptr<Completion>& completion) {
    return Await([&] { return completion->fired > 0; });
  }

  // A test whose callbacks use its local variables ends with this.
  void ExpectAllFired() {
    EXPECT_TRUE(Await([&] {
      for (const auto& completion : completions_) {
        if (completion->fired == 0) return false;
      }
      return true;
    })) << "a completion was dropped";
  }

 private:
  static bool Holds(const std::function<bool()>* holds) { return (*holds)(); }

  std::unique_ptr<Executor> executor_;
  SimExecutor* sim_ = nullptr;
  CallbackRule server_rule_;
  CallbackRule client_rule_;
  absl::Mutex mutex_;
  std::vector<std::shared_ptr<Completion>> completions_;
  std::unique_ptr<Transport> server_;
  std::unique_ptr<Transport> client_;
};

struct Received {
  std::string header;
  std::string payload;
};

// A Receiver that lands payloads in memory of its own and keeps what it got.
class Peer : public Receiver {
 public:
  Peer(World& world, CallbackRule& rule) : world_(world), rule_(rule) {}

  absl::StatusOr<Landing> OnMessage(absl::Span<const std::byte> header,
                                    size_t payload_bytes) override {
    InCallback in_callback(rule_);
    EXPECT_EQ(closed_, 0) << "a message after OnClosed";
    std::string text(reinterpret_cast<const char*>(header.data()), header.size());
    if (on_message) {
      absl::Status status = on_message(text, payload_bytes);
      if (!status.ok()) return status;
    }
    auto place = std::make_shared<std::string>(payload_bytes, '\0');
    auto seen = std::make_shared<std::string>();  // what was told to have landed, as it was then
    std::shared_ptr<Completion> completion = world_.NewCompletion();
    ++landings_waiting_;
    Done done =
        world_.Watched(completion, rule_, [this, text, place, seen](const absl::Status& status) {
          EXPECT_EQ(closed_, 0) << "a landing's done after OnClosed";
          --landings_waiting_;
          if (!status.ok()) return;
          EXPECT_EQ(place->compare(0, seen->size(), *seen), 0) << "changed after it had landed";
          if (on_landed) on_landed(text, *place);
          absl::MutexLock lock(&world_.mutex());
          ++received_count;
          if (keep) received.push_back({text, std::move(*place)});
        });
    auto* bytes = reinterpret_cast<std::byte*>(place->data());
    Landing landing = {absl::Span<std::byte>(bytes, payload_bytes), std::move(done)};
    landing.progress = [this, place, seen](size_t landed) {
      InCallback in_progress_call(rule_);
      EXPECT_LE(landed, place->size()) << "progress beyond the payload";
      EXPECT_GE(landed, seen->size()) << "progress goes back";
      seen->append(*place, seen->size(), landed - seen->size());
    };
    return landing;
  }

  void OnClosed(const absl::Status& status) override {
    InCallback in_callback(rule_);
    EXPECT_EQ(++closed_, 1) << "OnClosed came twice";
    EXPECT_EQ(landings_waiting_, 0) << "OnClosed came before a landing's done";
    // A send that races with the close may complete after it.
    if (!sends_race_close) {
      EXPECT_EQ(sends_waiting->load(), 0) << "OnClosed came before a send's done";
    }
    if (on_closed) on_closed(status);
    absl::MutexLock lock(&world_.mutex());
    close_reason = status;
  }

  // Sends over `connection`; the text is kept alive until the completion.
  std::shared_ptr<Completion> Send(Connection& connection, std::string header, std::string payload,
                                   absl::Time deadline,
                                   std::function<void(const absl::Status&)> then = nullptr) {
    auto completion = world_.NewCompletion();
    auto content = std::make_shared<Received>(Received{std::move(header), std::move(payload)});
    Message message;
    message.header = Bytes(content->header);
    if (!content->payload.empty()) message.payload.push_back(Bytes(content->payload));
    ++*sends_waiting;
    Done done = world_.Watched(
        completion, rule_, [waiting = sends_waiting, content, then](const absl::Status& status) {
          --*waiting;
          // The buffer is free again: whoever still reads it reads this.
          std::fill(content->payload.begin(), content->payload.end(), '!');
          if (then) then(status);
        });
    Calling([&] { connection.Send(std::move(message), deadline, std::move(done)); });
    return completion;
  }

  static absl::Span<const std::byte> Bytes(const std::string& text) {
    return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
  }

  // Set before the connection begins; called on the progress thread.
  std::function<absl::Status(const std::string& header, size_t payload_bytes)> on_message;
  std::function<void(const std::string& header, const std::string& payload)> on_landed;
  std::function<void(const absl::Status&)> on_closed;
  bool keep = true;

  // Shared with the completions, which may outlive this peer.
  const std::shared_ptr<std::atomic<int>> sends_waiting = std::make_shared<std::atomic<int>>(0);
  std::atomic<bool> sends_race_close{false};
  // Under world.mutex().
  std::vector<Received> received;
  size_t received_count = 0;
  std::optional<absl::Status> close_reason;

 private:
  World& world_;
  CallbackRule& rule_;
  int closed_ = 0;
  int landings_waiting_ = 0;
};

}  // namespace tideway::testing

#endif  // TIDEWAY_TESTS_CONFORMANCE_TRANSPORT_PROBE_H_
