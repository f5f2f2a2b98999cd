// The loader of codec modules: what it takes, what it refuses and how it says so, and a push through a codec that was loaded.

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tideway/blocking.h"
#include "tideway/builtin_codecs.h"
#include "tideway/builtin_transports.h"
#include "tideway/client.h"
#include "tideway/layout.h"
#include "tideway/load_codec_module.h"
#include "tideway/runtime.h"
#include "tideway/server.h"

namespace tideway {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::string FileOf(const std::string& kind) {
  return absl::StrCat(TIDEWAY_TEST_MODULES, "/", kind, ".so");
}

CodecRegistry WithExample() {
  CodecRegistry registry = BuiltinCodecs();
  const absl::Status loaded = LoadCodecModule(TIDEWAY_EXAMPLE_CODEC, registry);
  EXPECT_TRUE(loaded.ok()) << loaded;
  return registry;
}

// Loads into a fresh registry, which must stay as it was. Returns the message.
std::string Refusal(const std::string& path, absl::StatusCode code) {
  CodecRegistry registry = BuiltinCodecs();
  const size_t before = registry.entries().size();
  const absl::Status status = LoadCodecModule(path, registry);
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_EQ(registry.entries().size(), before);
  return std::string(status.message());
}

std::string RefusalOfTable(const std::string& kind) {
  const std::string message = Refusal(FileOf(kind), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(message, HasSubstr(kind + ".so"));
  return message;
}

// A file of that content, removed at the end.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& content) {
    std::string name = ::testing::TempDir() + "/tideway_codec_XXXXXX";
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    std::ofstream(path(), std::ios::binary) << content;
  }
  ~TemporaryFile() { fs::remove_all(folder_); }
  std::string path() const { return folder_ + "/codec.so"; }

 private:
  std::string folder_;
};

TEST(CodecModule, IsFoundByNameByWireIdAndInsideAChain) {
  const CodecRegistry registry = WithExample();
  const auto by_name = registry.Create("truncate:keep=3");
  ASSERT_TRUE(by_name.ok()) << by_name.status();
  EXPECT_EQ((*by_name)->info().spec, "truncate:keep=3");
  EXPECT_TRUE((*by_name)->info().dense);
  EXPECT_FALSE((*by_name)->info().lossless);
  const auto by_id = registry.CreateForWireId(200);
  ASSERT_TRUE(by_id.ok()) << by_id.status();
  EXPECT_EQ((*by_id)->info().name, "truncate");
  const auto wrapped = registry.Create("truncate+zstd");
  EXPECT_TRUE(wrapped.ok() || absl::IsUnavailable(wrapped.status())) << wrapped.status();
}

TEST(CodecModule, SaysItselfWhatIsWrongWithASpecOrWithBytes) {
  const CodecRegistry registry = WithExample();
  const absl::Status spec = registry.Create("truncate:keep=5").status();
  EXPECT_EQ(spec.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(spec.message()), HasSubstr("keep=2 or keep=3"));
  std::vector<float> accumulator(3);
  const std::vector<std::byte> bytes(4, std::byte{9});
  const absl::Status status =
      (*registry.Create("truncate"))->DecodeAdd(bytes, 1.0f, absl::MakeSpan(accumulator));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("truncate: does not begin"));
}

TEST(CodecModule, IsTakenOnce) {
  CodecRegistry registry = WithExample();
  EXPECT_EQ(LoadCodecModule(TIDEWAY_EXAMPLE_CODEC, registry).code(),
            absl::StatusCode::kAlreadyExists);
}

TEST(CodecModule, ThatIsMissingIsNotFoundAndItsFileIsNamed) {
  EXPECT_THAT(Refusal("/nowhere/codec.so", absl::StatusCode::kNotFound),
              HasSubstr("/nowhere/codec.so"));
  EXPECT_THAT(Refusal("libm.so.6", absl::StatusCode::kNotFound), HasSubstr("/libm.so.6"))
      << "a bare name must not be looked for in the system's folders";
  Refusal("", absl::StatusCode::kNotFound);
}

TEST(CodecModule, ThatIsNoSharedLibraryOrCutOffIsRefused) {
  for (const std::string& content : {std::string(), std::string(1000, 'x')}) {
    const TemporaryFile file(content);
    EXPECT_THAT(Refusal(file.path(), absl::StatusCode::kUnavailable),
                HasSubstr("no shared library"));
  }
  std::ifstream stream(TIDEWAY_EXAMPLE_CODEC, std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  ASSERT_GT(whole.size(), 2000u);
  for (const size_t bytes : {size_t{64}, size_t{1000}, whole.size() / 2, whole.size() - 1}) {
    const TemporaryFile file(whole.substr(0, bytes));
    EXPECT_THAT(Refusal(file.path(), absl::StatusCode::kUnavailable), HasSubstr("cut off"));
  }
}

TEST(CodecModule, WithoutAUsableTableIsRefusedWithWhatToDo) {
  EXPECT_THAT(RefusalOfTable("no_entry_point"), HasSubstr("exports no tideway_codec_module"));
  EXPECT_THAT(RefusalOfTable("no_table"), HasSubstr("returns no table"));
  EXPECT_THAT(RefusalOfTable("wrong_version"), AllOf(HasSubstr("4711"), HasSubstr("build it")));
  EXPECT_THAT(RefusalOfTable("id_below_128"), AllOf(HasSubstr("127"), HasSubstr("128 to 255")));
  EXPECT_THAT(RefusalOfTable("id_above_255"), HasSubstr("456"));
  EXPECT_THAT(RefusalOfTable("bad_name"), HasSubstr("letters, digits"));
  EXPECT_THAT(RefusalOfTable("no_function"), HasSubstr("all five"));
}

TEST(CodecModule, WithTheNameOfABuiltInCodecIsRefused) {
  EXPECT_THAT(Refusal(FileOf("taken_name"), absl::StatusCode::kAlreadyExists), HasSubstr("int8"));
}

TEST(CodecModule, WhoseCodecAsksForMoreThanAnyMayIsRefusedWhenItEncodes) {
  CodecRegistry registry;
  ASSERT_TRUE(LoadCodecModule(FileOf("too_large"), registry).ok());
  const auto codec = registry.Create("bad");
  ASSERT_TRUE(codec.ok());
  const std::vector<float> delta(10, 1.0f);
  std::vector<std::byte> out(10000);
  const absl::Status status = (*codec)->Encode(delta, {}, {}, absl::MakeSpan(out)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("1105"), HasSubstr("1104")));
}

TEST(CodecModule, ThatFailsWithoutAReasonIsAnInternalError) {
  CodecRegistry registry;
  ASSERT_TRUE(LoadCodecModule(FileOf("too_large"), registry).ok());
  std::vector<float> accumulator(3);
  const absl::Status status =
      (*registry.Create("bad"))->DecodeAdd({}, 1.0f, absl::MakeSpan(accumulator));
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("gives no reason"));
}

// --- through client and server
// ------------------------------------------------------------------------

std::unique_ptr<Runtime> NewRuntime(CodecRegistry codecs) {
  return std::make_unique<Runtime>(RuntimeOptions{.transports = BuiltinTransports(),
                                                  .codecs = std::move(codecs),
                                                  .executor_options = {.threads = 1}});
}

constexpr size_t kElements = 1000;

class CodecModulePush : public ::testing::Test {
 protected:
  void Start(CodecRegistry at_server) {
    server_runtime_ = NewRuntime(std::move(at_server));
    auto server = Server::Start(server_runtime_.get(), {.outer_optimizer = "sgd:lr=1"}, layout_,
                                std::vector<float>(kElements, 0.0f));
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    client_runtime_ = NewRuntime(WithExample());
    auto client = Client::Create(
        client_runtime_.get(), {.servers = server_->addresses(), .codec_up = "truncate"}, layout_);
    ASSERT_TRUE(client.ok()) << client.status();
    client_ = *std::move(client);
  }

  absl::Time Soon() { return client_runtime_->executor().Now() + absl::Seconds(60); }
  absl::Status Join() {
    return Await([&](auto done) { client_->Join(Soon(), std::move(done)); });
  }
  absl::Status Push(const std::vector<float>& delta) {
    return AwaitResult<PushReport>([&](auto done) {
             client_->Push(delta, {.inner_steps = 1}, Soon(), std::move(done));
           })
        .status();
  }

  const Layout layout_ = *Layout::Create({{"w", {kElements}}});
  std::unique_ptr<Runtime> server_runtime_, client_runtime_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<Client> client_;
};

TEST_F(CodecModulePush, ThreePushesBringAllBitsOfADeltaSinceTheResidualFollows) {
  Start(WithExample());
  ASSERT_TRUE(Join().ok());
  std::vector<float> delta(kElements), parameters(kElements);
  for (size_t i = 0; i < kElements; ++i) {
    delta[i] = std::ldexp(static_cast<float>(static_cast<int>(i * 7919 % 2001) - 1000) / 3.0f,
                          static_cast<int>(i % 40) - 20);
  }
  ASSERT_TRUE(Push(delta).ok());
  ASSERT_TRUE(server_->ReadParameters(absl::MakeSpan(parameters)).ok());
  EXPECT_NE(parameters[1], -delta[1]) << "two bytes hold it all; this proves nothing";
  for (int push = 0; push < 2; ++push) ASSERT_TRUE(Push(std::vector<float>(kElements)).ok());
  ASSERT_TRUE(server_->ReadParameters(absl::MakeSpan(parameters)).ok());
  for (size_t i = 0; i < kElements; ++i) ASSERT_EQ(parameters[i], -delta[i]) << "element " << i;
}

TEST_F(CodecModulePush, AServerWithoutTheModuleRefusesTheWorkerAndNamesTheCodec) {
  Start(BuiltinCodecs());
  const absl::Status joined = Join();
  EXPECT_FALSE(joined.ok());
  EXPECT_THAT(std::string(joined.message()), HasSubstr("truncate"));
}

}  // namespace
}  // namespace tideway
