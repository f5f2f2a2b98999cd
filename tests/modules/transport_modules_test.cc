// The loader of transport modules, over TCP built as a module and over files that must be refused.

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/conformance/transport_probe.h"
#include "tideway/builtin_transports.h"
#include "tideway/sim_executor.h"
#include "transports/module_abi.h"
#include "transports/module_loader.h"

namespace tideway {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using testing::Calling;
using ::testing::HasSubstr;
using testing::Peer;
using testing::World;

std::string FolderOf(const std::string& kind) {
  return absl::StrCat(TIDEWAY_TEST_MODULES, "/", kind);
}

std::string FileOf(const std::string& kind) { return FolderOf(kind) + "/tideway_transport_tcp.so"; }

TransportEntry TcpIn(std::vector<std::string> folders) {
  return ModuleEntry({"tcp", {"tcp"}, std::move(folders), "libtcp0"});
}

// Both questions get the same answer; returns it.
std::string ReasonOf(const TransportEntry& entry) {
  const TransportInfo info = entry.probe();
  EXPECT_FALSE(info.viable);
  EXPECT_EQ(info.name, "tcp");
  EXPECT_EQ(info.schemes, std::vector<std::string>{"tcp"});
  const auto executor = NewThreadExecutor({.threads = 1});
  const auto created = entry.create({.executor = executor.get(), .log = {}});
  EXPECT_EQ(created.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(created.status().message(), info.unavailable_reason);
  return info.unavailable_reason;
}

std::string ReasonOf(const std::string& kind) { return ReasonOf(TcpIn({FolderOf(kind)})); }

// A folder with one file, named as a module; removed at the end (a file that is loaded stays loaded).
class TemporaryModule {
 public:
  explicit TemporaryModule(const std::string& content) {
    std::string name = ::testing::TempDir() + "/tideway_module_XXXXXX";
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    std::ofstream(file(), std::ios::binary) << content;
  }
  ~TemporaryModule() { fs::remove_all(folder_); }

  std::string file() const { return folder_ + "/tideway_transport_tcp.so"; }
  TransportEntry entry() const { return TcpIn({folder_}); }

 private:
  std::string folder_;
};

std::string ContentOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

bool IsLoaded(const std::string& path) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_NOLOAD);
  if (handle != nullptr) dlclose(handle);
  return handle != nullptr;
}

TEST(TransportModule, IsLoadedByTheFirstQuestionAndNotBefore) {
  const TemporaryModule module(ContentOf(FileOf("good")));
  const TransportEntry entry = module.entry();
  EXPECT_EQ(entry.schemes, std::vector<std::string>{"tcp"});
  EXPECT_FALSE(IsLoaded(module.file())) << "its schemes are known without it";
  EXPECT_TRUE(entry.probe().viable) << entry.probe().unavailable_reason;
  EXPECT_TRUE(IsLoaded(module.file()));
}

TEST(TransportModule, CarriesAnEcho) {
  World world(TcpIn({FolderOf("good")}));
  auto server = std::make_shared<Peer>(world, world.server_rule());
  std::shared_ptr<Connection> to_client;
  server->on_landed = [&](const std::string& header, const std::string& payload) {
    server->Send(*to_client, header, payload, world.Soon());
  };
  auto listener = world.server().Listen(*Uri::Parse("tcp://127.0.0.1:0"),
                                        [&](std::shared_ptr<Connection> connection) {
                                          to_client = std::move(connection);
                                          return server;
                                        });
  ASSERT_TRUE(listener.ok()) << listener.status();
  auto client = std::make_shared<Peer>(world, world.client_rule());
  std::shared_ptr<Connection> to_server;
  auto connected = world.NewCompletion();
  auto done = world.Watched(connected, world.client_rule());
  Calling([&] {
    world.client().Connect((*listener)->address(), world.Soon(), client,
                           [&](absl::StatusOr<std::shared_ptr<Connection>> connection) {
                             if (connection.ok()) to_server = *connection;
                             done(connection.status());
                           });
  });
  ASSERT_TRUE(world.AwaitFired(connected));
  ASSERT_TRUE(connected->status.ok()) << connected->status;
  const std::string payload(3 << 20, 'x');
  client->Send(*to_server, "ping", payload, world.Soon());
  ASSERT_TRUE(world.Await([&] { return client->received_count == 1; }));
  EXPECT_EQ(client->received[0].header, "ping");
  EXPECT_TRUE(client->received[0].payload == payload);
  world.client().Stop();
  world.server().Stop();
}

TEST(TransportModule, KnowsASimulatedExecutorOfTheProgramForWhatItIs) {
  SimExecutor executor(1);
  const auto created = TcpIn({FolderOf("good")}).create({.executor = &executor, .log = {}});
  EXPECT_EQ(created.status().code(), absl::StatusCode::kUnavailable) << created.status();
  EXPECT_THAT(created.status().message(), HasSubstr("simulated executor"));
}

TEST(TransportModule, ExportsNothingButItsEntryPoint) {
  ASSERT_TRUE(TcpIn({FolderOf("good")}).probe().viable);
  void* handle = dlopen(FileOf("good").c_str(), RTLD_NOW | RTLD_NOLOAD);
  ASSERT_NE(handle, nullptr);
  EXPECT_NE(dlsym(handle, kModuleEntryPoint), nullptr);
  // tideway::tcp::Entry() and tideway::Uri::ToString() const
  EXPECT_EQ(dlsym(handle, "_ZN7tideway3tcp5EntryEv"), nullptr);
  EXPECT_EQ(dlsym(handle, "_ZNK7tideway3Uri8ToStringB5cxx11Ev"), nullptr);
  dlclose(handle);
}

TEST(TransportModule, MayBeAskedForByManyThreadsAtOnce) {
  const TemporaryModule module(ContentOf(FileOf("good")));
  const TransportEntry entry = module.entry();
  std::vector<std::thread> threads;
  std::vector<int> viable(8);
  for (int& answer : viable) threads.emplace_back([&] { answer = entry.probe().viable ? 1 : 0; });
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(viable, ::testing::Each(1));
}

TEST(TransportModule, ThatIsMissingNamesItsFileAndWhereItWasLookedFor) {
  const std::string reason = ReasonOf(TcpIn({"/nowhere/a", "/nowhere/b"}));
  EXPECT_THAT(reason, AllOf(HasSubstr("tideway_transport_tcp.so"), HasSubstr("/nowhere/a"),
                            HasSubstr("/nowhere/b"), HasSubstr("module_dirs")));
}

TEST(TransportModule, IsTakenFromTheFirstFolderThatHasIt) {
  EXPECT_TRUE(TcpIn({"/nowhere", FolderOf("good"), FolderOf("wrong_abi")}).probe().viable);
}

TEST(TransportModule, ThatIsNoSharedLibraryIsRefused) {
  for (const std::string& content : {std::string(), std::string(1000, 'x')}) {
    const TemporaryModule module(content);
    EXPECT_THAT(ReasonOf(module.entry()), HasSubstr("no shared library"));
  }
}

TEST(TransportModule, ThatIsAFolderIsRefused) {
  const TemporaryModule module("");
  fs::remove(module.file());
  fs::create_directory(module.file());
  EXPECT_THAT(ReasonOf(module.entry()), HasSubstr(module.file()));
}

TEST(TransportModule, ThatIsCutOffAnywhereIsRefused) {
  const std::string whole = ContentOf(FileOf("good"));
  ASSERT_GT(whole.size(), 10000u);
  for (const size_t bytes :
       {size_t{10}, size_t{64}, size_t{1000}, whole.size() / 2, whole.size() - 1}) {
    const TemporaryModule module(whole.substr(0, bytes));
    EXPECT_THAT(ReasonOf(module.entry()), AllOf(HasSubstr(module.file()), HasSubstr("again")))
        << bytes;
  }
}

TEST(TransportModule, WithoutTheEntryPointIsRefused) {
  EXPECT_THAT(ReasonOf("no_entry_point"), HasSubstr("no Tideway module"));
}

TEST(TransportModule, WithAnotherAbiIsRefused) {
  EXPECT_THAT(ReasonOf("wrong_abi"), AllOf(HasSubstr("4711"), HasSubstr("one build")));
}

TEST(TransportModule, OfAnotherBuildIsRefused) {
  EXPECT_THAT(ReasonOf("wrong_build"),
              AllOf(HasSubstr("Tideway 0.0.1 of another day"), HasSubstr(TIDEWAY_BUILD_ID)));
}

TEST(TransportModule, ThatHoldsAnotherTransportIsRefused) {
  EXPECT_THAT(ReasonOf("wrong_name"), HasSubstr("pigeon"));
}

TEST(TransportModule, WhoseLibraryIsMissingNamesTheLibraryAndItsPackage) {
  EXPECT_THAT(ReasonOf("missing_library"),
              AllOf(HasSubstr("libtideway_test_absent.so"),
                    HasSubstr("cannot open shared object file"), HasSubstr("libtcp0")));
}

TEST(MissingTransport, IsListedWithItsReason) {
  const TransportEntry entry = MissingEntry("tcp", {"tcp"}, "made without it; install libtcp-dev");
  EXPECT_EQ(ReasonOf(entry), "made without it; install libtcp-dev");
}

TEST(BuiltinTransports, AreAllListedAndEachIsViableOrSaysWhyNot) {
  const TransportRegistry transports = BuiltinTransports({.module_dirs = {"/nowhere"}});
  EXPECT_TRUE(transports.FindScheme("tcp").ok());
  for (const TransportEntry& entry : transports.entries()) {
    const TransportInfo info = entry.probe();
    EXPECT_EQ(info.name, entry.name);
    EXPECT_EQ(info.schemes, entry.schemes);
    EXPECT_EQ(info.viable, info.unavailable_reason.empty()) << info.unavailable_reason;
  }
}

}  // namespace
}  // namespace tideway
