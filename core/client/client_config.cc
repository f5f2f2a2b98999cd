#include "core/client/client_config.h"

#include <cmath>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/client/path_table.h"
#include "tideway/limits.h"
#include "tideway/transport_report.h"

namespace tideway {
namespace {

absl::Status Invalid(const std::string& what) { return absl::InvalidArgumentError(what); }

absl::Status CheckNumbers(const ClientOptions& options, const Layout& layout) {
  if (options.servers.size() != layout.servers()) {
    return Invalid(absl::StrCat("the layout places fragments on ", layout.servers(),
                                " servers, but ", options.servers.size(),
                                " addresses are given; give one address per server"));
  }
  if (options.worker.size() > kWorkerNameBytesMax) {
    return Invalid(absl::StrCat("the worker's name has ", options.worker.size(),
                                " bytes; choose one of at most ", kWorkerNameBytesMax));
  }
  if (!std::isfinite(options.residual_decay) || options.residual_decay < 0 ||
      options.residual_decay > 1) {
    return Invalid(
        absl::StrCat("residual_decay is ", options.residual_decay, "; choose one in [0, 1]"));
  }
  if (!std::isfinite(options.momentum_correction) || options.momentum_correction < 0 ||
      options.momentum_correction >= 1) {
    return Invalid(absl::StrCat("momentum_correction is ", options.momentum_correction,
                                "; choose one from 0 to below 1"));
  }
  if (options.bytes_in_flight_max == 0)
    return Invalid("bytes_in_flight_max is 0; choose a positive one");
  if (options.reconnect_timeout < absl::ZeroDuration()) {
    return Invalid("reconnect_timeout is negative; choose zero or more");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Uri>> ParseServers(const Runtime& runtime,
                                              const std::vector<std::string>& servers) {
  std::vector<Uri> uris;
  for (const std::string& text : servers) {
    absl::StatusOr<Uri> uri = Uri::Parse(text);
    if (!uri.ok()) return uri.status();
    if (uri->scheme == kAutoScheme) {
      if (absl::Status s = CheckAutoAddress(*uri); !s.ok()) {
        return Invalid(absl::StrCat("'", text, "': ", s.message()));
      }
    } else if (auto entry = runtime.transports().FindScheme(uri->scheme); !entry.ok()) {
      return Invalid(absl::StrCat("'", text, "': ", entry.status().message()));
    }
    uris.push_back(*std::move(uri));
  }
  return uris;
}

absl::StatusOr<std::unique_ptr<const Codec>> MakeCodec(const Runtime& runtime, const char* option,
                                                       const std::string& spec) {
  absl::StatusOr<std::unique_ptr<Codec>> codec = runtime.codecs().Create(spec);
  if (!codec.ok()) {
    return Invalid(absl::StrCat(option, " '", spec, "': ", codec.status().message()));
  }
  return std::unique_ptr<const Codec>(*std::move(codec));
}

// A dense codec sends something of every element: its velocity would be forgotten at once, or pushed on for ever.
absl::Status CheckMomentum(const ClientOptions& options, const Codec& codec_up) {
  if (options.momentum_correction == 0) return absl::OkStatus();
  if (!options.error_feedback) {
    return Invalid("momentum_correction needs error_feedback; turn it on");
  }
  if (codec_up.info().dense) {
    return Invalid(absl::StrCat("momentum_correction is for sparse codecs, and codec_up is '",
                                options.codec_up,
                                "'; choose one such as topk:density=0.01, or leave it at 0"));
  }
  return absl::OkStatus();
}

struct CodecsUp {
  std::unique_ptr<const Codec> first;
  std::vector<std::unique_ptr<const Codec>> also;
};

absl::StatusOr<CodecsUp> MakeCodecsUp(const Runtime& runtime, const ClientOptions& options) {
  CodecsUp made;
  const bool choose = options.codec_up == kAutoCodec;
  auto first = MakeCodec(runtime, "codec_up", choose ? "identity" : options.codec_up);
  if (!first.ok()) return first.status();
  made.first = *std::move(first);
  if (!choose) return made;
  if (options.codecs_up.size() >= kCodecsUpMax) {
    return Invalid(absl::StrCat("codecs_up names ", options.codecs_up.size(),
                                " codecs; give at most ", kCodecsUpMax - 1));
  }
  std::set<uint8_t> wire_ids = {made.first->info().wire_id};
  for (const std::string& spec : options.codecs_up) {
    auto codec = MakeCodec(runtime, "codecs_up", spec);
    if (!codec.ok()) return codec.status();
    if (!wire_ids.insert((*codec)->info().wire_id).second) {
      return Invalid(absl::StrCat("codecs_up '", spec, "': ", (*codec)->info().name,
                                  " is among them already; of one codec, give one"));
    }
    made.also.push_back(*std::move(codec));
  }
  return made;
}

}  // namespace

std::vector<const Codec*> ClientConfig::candidates_up() const {
  std::vector<const Codec*> all = {codec_up.get()};
  for (const auto& codec : codecs_up_also) all.push_back(codec.get());
  return all;
}

size_t ClientConfig::pool_bytes_max() const {
  const size_t fragment = EncodedBytesMax(layout.fragment_bytes_max() / sizeof(float));
  const size_t per_server = 4 * (options.bytes_in_flight_max + 2 * fragment) + 4 * kControlBytesMax;
  return layout.servers() * per_server;
}

absl::StatusOr<ClientConfig> MakeClientConfig(Runtime* runtime, ClientOptions options,
                                              const Layout& layout) {
  if (absl::Status status = CheckNumbers(options, layout); !status.ok()) return status;
  auto servers = ParseServers(*runtime, options.servers);
  if (!servers.ok()) return servers.status();
  auto up = MakeCodecsUp(*runtime, options);
  if (!up.ok()) return up.status();
  if (absl::Status s = CheckMomentum(options, *up->first); !s.ok()) return s;
  auto down = MakeCodec(*runtime, "codec_down", options.codec_down);
  if (!down.ok()) return down.status();
  if (!(*down)->info().dense) {
    return Invalid(
        absl::StrCat("codec_down '", options.codec_down,
                     "' leaves elements out, which would be missing from the parameters; "
                     "choose a dense codec such as identity or bf16"));
  }
  std::unique_ptr<const Codec> differences;
  if (!options.pull_differences.empty()) {
    auto made = MakeCodec(*runtime, "pull_differences", options.pull_differences);
    if (!made.ok()) return made.status();
    differences = *std::move(made);
  }
  if (options.worker.empty()) {
    options.worker =
        absl::StrFormat("worker-%08x", static_cast<uint32_t>(runtime->executor().Random()));
  }
  const uint64_t incarnation = runtime->executor().Random() | 1;
  return ClientConfig{.runtime = runtime,
                      .options = std::move(options),
                      .layout = layout,
                      .servers = *std::move(servers),
                      .codec_up = std::move(up->first),
                      .codecs_up_also = std::move(up->also),
                      .codec_down = *std::move(down),
                      .differences = std::move(differences),
                      .incarnation = incarnation};
}

}  // namespace tideway
