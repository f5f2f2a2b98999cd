// What a Client was made with, validated and parsed once: the part of its state that never changes.

#ifndef TIDEWAY_CORE_CLIENT_CLIENT_CONFIG_H_
#define TIDEWAY_CORE_CLIENT_CLIENT_CONFIG_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "tideway/client.h"
#include "tideway/codec.h"
#include "tideway/layout.h"
#include "tideway/runtime.h"
#include "tideway/uri.h"

namespace tideway {

struct ClientConfig {
  Runtime* runtime;
  ClientOptions options;  // worker filled in
  Layout layout;
  std::vector<Uri> servers;
  std::unique_ptr<const Codec> codec_up;
  std::vector<std::unique_ptr<const Codec>>
      codecs_up_also;  // codec_up "auto": to choose from, beside codec_up
  std::unique_ptr<const Codec> codec_down;
  std::unique_ptr<const Codec> differences;  // null: pulls bring the whole parameters
  uint64_t incarnation;                      // never 0

  // All that pushes may be encoded with, codec_up first.
  std::vector<const Codec*> candidates_up() const;

  // Enough for everything that the lanes may have under way at once, and still a bound.
  size_t pool_bytes_max() const;
};

// INVALID_ARGUMENT for options that can't work, with what to change.
absl::StatusOr<ClientConfig> MakeClientConfig(Runtime* runtime, ClientOptions options,
                                              const Layout& layout);

}  // namespace tideway

#endif  // TIDEWAY_CORE_CLIENT_CLIENT_CONFIG_H_
