#include "core/runtime/shared_block.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "tideway/limits.h"
#include "tideway/shared_vector.h"

namespace tideway {
namespace {

constexpr size_t kPage = 4096;
constexpr uint64_t kMagic = 0x3130424853594457;  // "WDYSHB01"
constexpr char kName[] = "tideway";
// What /proc says of it.
constexpr absl::string_view kLinkText = "/memfd:tideway";
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

struct FirstPage {
  uint64_t magic = kMagic;
  uint64_t nonce = 0;
  uint64_t bytes = 0;
};
static_assert(sizeof(FirstPage) <= kPage);

class File {
 public:
  explicit File(int number) : number_(number) {}
  ~File() {
    if (number_ >= 0) close(number_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int number() const { return number_; }
  int release() { return std::exchange(number_, -1); }

 private:
  int number_;
};

std::string Why(const char* what) {
  return absl::StrCat("shared memory: ", what, ": ", std::generic_category().message(errno));
}

absl::Status NoBlock(const char* why) {
  return absl::InvalidArgumentError(absl::StrCat("that is no shared memory of Tideway: ", why));
}

// A file of a page and `bytes`, all of which are there. Its number.
absl::StatusOr<int> NewFile(size_t bytes, uint64_t nonce) {
  File file(memfd_create(kName, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (file.number() < 0) return absl::UnavailableError(Why("memfd_create"));
  const FirstPage page = {.magic = kMagic, .nonce = nonce, .bytes = bytes};
  if (fallocate(file.number(), 0, 0, static_cast<off_t>(kPage + bytes)) != 0) {
    return absl::ResourceExhaustedError(Why("no memory"));
  }
  if (pwrite(file.number(), &page, sizeof(page), 0) != sizeof(page) ||
      fcntl(file.number(), F_ADD_SEALS, kSeals) != 0) {
    return absl::UnavailableError(Why("can't be sealed"));
  }
  return file.release();
}

// At `address`, in place of what is there, if it is not null.
std::byte* MapForWriting(int file, size_t bytes, std::byte* address) {
  void* const mapped = mmap(address, kPage + bytes, PROT_READ | PROT_WRITE,
                            MAP_SHARED | (address == nullptr ? 0 : MAP_FIXED), file, 0);
  return mapped == MAP_FAILED ? nullptr : static_cast<std::byte*>(mapped);
}

// Whether the kernel says that it is an anonymous file of ours, before it is opened: opening a device or a pipe does things.
bool IsBlock(const std::string& path) {
  std::array<char, 64> text;
  const ssize_t length = readlink(path.c_str(), text.data(), text.size());
  struct stat info = {};
  return length > 0 &&
         absl::StartsWith(absl::string_view(text.data(), static_cast<size_t>(length)), kLinkText) &&
         stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

}  // namespace

absl::StatusOr<std::shared_ptr<SharedBlock>> SharedBlock::Create(size_t bytes, uint64_t nonce) {
  if (bytes == 0 || bytes > kSharedBlockBytesMax) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "shared memory of ", bytes, " bytes; there may be from 1 to ", kSharedBlockBytesMax));
  }
  const absl::StatusOr<int> number = NewFile(bytes, nonce);
  if (!number.ok()) return number.status();
  File file(*number);
  std::byte* const mapped = MapForWriting(file.number(), bytes, nullptr);
  if (mapped == nullptr) return absl::ResourceExhaustedError(Why("can't be mapped"));
  std::shared_ptr<SharedBlock> block(new SharedBlock);
  block->file_ = file.release();
  block->first_page_ = mapped;
  block->bytes_ = bytes;
  block->nonce_ = nonce;
  return block;
}

SharedBlock::~SharedBlock() {
  munmap(first_page_, kPage + bytes_);
  close(file_);
}

absl::Span<std::byte> SharedBlock::span() const { return {first_page_ + kPage, bytes_}; }

SharedDescriptor SharedBlock::descriptor() const {
  return {.pid = static_cast<uint32_t>(getpid()),
          .file = static_cast<uint32_t>(file_),
          .bytes = bytes_,
          .nonce = nonce_};
}

absl::Status SharedBlock::Leave(uint64_t nonce) {
  const absl::StatusOr<int> number = NewFile(bytes_, nonce);
  if (!number.ok()) return number.status();
  File file(*number);
  size_t copied = 0;
  while (copied < bytes_) {
    const ssize_t wrote = pwrite(file.number(), first_page_ + kPage + copied, bytes_ - copied,
                                 static_cast<off_t>(kPage + copied));
    if (wrote <= 0) return absl::ResourceExhaustedError(Why("can't be copied"));
    copied += static_cast<size_t>(wrote);
  }
  if (MapForWriting(file.number(), bytes_, first_page_) == nullptr) {
    return absl::ResourceExhaustedError(Why("can't be mapped"));
  }
  close(std::exchange(file_, file.release()));
  nonce_ = nonce;
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const SharedMapping>> SharedMapping::Open(
    const SharedDescriptor& descriptor) {
  if (descriptor.bytes == 0 || descriptor.bytes > kSharedBlockBytesMax) return NoBlock("its size");
  const std::string path = absl::StrCat("/proc/", descriptor.pid, "/fd/", descriptor.file);
  if (!IsBlock(path)) {
    return absl::UnavailableError(
        "the peer's shared memory can't be reached: it has gone, or belongs to another user, host "
        "or "
        "container");
  }
  const File file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (file.number() < 0) return absl::UnavailableError(Why("can't be opened"));
  struct stat info = {};
  if (fstat(file.number(), &info) != 0 || !S_ISREG(info.st_mode)) return NoBlock("no file");
  if (static_cast<uint64_t>(info.st_size) != kPage + descriptor.bytes) return NoBlock("its size");
  // To read what is not there yet would make it there, at this process's cost.
  constexpr uint64_t kStatBlock = 512;
  if (static_cast<uint64_t>(info.st_blocks) * kStatBlock < kPage + descriptor.bytes) {
    return NoBlock("it has holes");
  }
  // One that can shrink would kill the process that reads behind its end.
  const int seals = fcntl(file.number(), F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0) return NoBlock("it can shrink");
  void* const mapped = mmap(nullptr, kPage + descriptor.bytes, PROT_READ, MAP_SHARED | MAP_POPULATE,
                            file.number(), 0);
  if (mapped == MAP_FAILED) return absl::UnavailableError(Why("can't be mapped"));
  std::shared_ptr<SharedMapping> mapping(new SharedMapping);
  mapping->first_page_ = static_cast<const std::byte*>(mapped);
  mapping->bytes_ = descriptor.bytes;
  FirstPage page;
  std::memcpy(&page, mapped, sizeof(page));
  if (page.magic != kMagic || page.nonce != descriptor.nonce || page.bytes != descriptor.bytes) {
    return NoBlock("its first page is another one's");
  }
  return mapping;
}

SharedMapping::~SharedMapping() { munmap(const_cast<std::byte*>(first_page_), kPage + bytes_); }

absl::Span<const std::byte> SharedMapping::span() const { return {first_page_ + kPage, bytes_}; }

absl::Span<float> SharedVector::span() {
  const absl::Span<std::byte> bytes = block_->span();
  return {reinterpret_cast<float*>(bytes.data()), bytes.size() / sizeof(float)};
}

absl::Span<const float> SharedVector::span() const {
  return const_cast<SharedVector*>(this)->span();
}

}  // namespace tideway
