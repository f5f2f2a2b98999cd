#include "bench/driver/wires.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tideway/transport_report.h"

namespace bench {
namespace {

constexpr char kLoopback[] = "127.0.0.1";
constexpr char kSpinUs[] = "1000000";  // longer than any operation waits

struct RawWire {
  const char* provider;
  const char* program;
  std::vector<std::string> options;
  bool blocks = true;  // false: it gets no answer while it blocks, so it always polls
};

const std::vector<RawWire>& RawWires() {
  static const auto* const wires = new std::vector<RawWire>{
      {"tcp", "raw_sockets", {}},
      {"ucx/tcp", "raw_ucx", {"--tls=tcp"}},
      {"ucx/sm", "raw_ucx", {"--tls=posix,cma"}},
      {"ofi+net", "raw_libfabric", {"--provider=net"}},
      {"ofi+tcp", "raw_libfabric", {"--provider=tcp;ofi_rxm"}},
      {"ofi+shm", "raw_libfabric", {"--provider=shm"}, false},
  };
  return *wires;
}

// Null: there is none.
const RawWire* FindRawWire(absl::string_view provider) {
  for (const RawWire& wire : RawWires()) {
    if (wire.provider == provider) return &wire;
  }
  return nullptr;
}

std::vector<std::string> LoadOptions(const Load& load) {
  return {load.push ? "--form=push" : "--form=pull", absl::StrCat("--bytes=", load.bytes),
          absl::StrCat("--outstanding=", load.outstanding)};
}

// One provider of the build, with its transport's say in whether it works here.
struct Found {
  tideway::ProviderInfo provider;
  std::string transport;
  std::vector<std::string> schemes;
  std::string unusable;  // why; empty: it can be used
};

std::vector<Found> FindProviders(const tideway::TransportRegistry& transports) {
  std::vector<Found> all;
  for (const tideway::TransportEntry& entry : transports.entries()) {
    const tideway::TransportInfo info = entry.probe();
    for (tideway::ProviderInfo& provider : tideway::ProvidersOf(info)) {
      Found found = {std::move(provider), info.name, info.schemes, ""};
      if (!info.viable) {
        found.unusable = info.unavailable_reason;
      } else if (!found.provider.viable) {
        found.unusable = found.provider.unavailable_reason;
      } else if (!info.real_time) {
        found.unusable = "it is a simulation in virtual time";
      }
      all.push_back(std::move(found));
    }
  }
  return all;
}

bool Means(const Found& found, const std::string& name) {
  return name == "all" || found.transport == name ||
         std::find(found.schemes.begin(), found.schemes.end(), name) != found.schemes.end();
}

absl::StatusOr<std::vector<std::string>> ResolveTransport(const std::vector<Found>& all,
                                                          const std::string& name) {
  if (name == tideway::kAutoScheme) return std::vector<std::string>{name};
  std::vector<const Found*> meant;
  for (const Found& found : all) {
    if (found.provider.name == name) {
      meant = {&found};
      break;
    }
    if (Means(found, name)) meant.push_back(&found);
  }
  std::vector<std::string> usable;
  std::string why;
  for (const Found* found : meant) {
    if (found->unusable.empty()) {
      usable.push_back(found->provider.name);
    } else if (why.empty()) {
      why = found->unusable;
    }
  }
  if (!usable.empty()) return usable;
  if (!meant.empty()) return absl::UnavailableError(absl::StrCat(name, " can't work here: ", why));
  const auto its_name = [](std::string* text, const Found& found) {
    text->append(found.provider.name);
  };
  return absl::NotFoundError(absl::StrCat("there is no transport '", name,
                                          "'; there are all, auto, ",
                                          absl::StrJoin(all, ", ", its_name)));
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ResolveTransports(
    const tideway::TransportRegistry& transports, const std::vector<std::string>& asked) {
  const std::vector<Found> all = FindProviders(transports);
  std::vector<std::string> names;
  for (const std::string& name : asked) {
    const auto meant = ResolveTransport(all, name);
    if (!meant.ok()) return meant.status();
    for (const std::string& one : *meant) {
      if (std::find(names.begin(), names.end(), one) == names.end()) names.push_back(one);
    }
  }
  return names;
}

absl::StatusOr<PairCommand> TidewayPair(const tideway::TransportRegistry& transports,
                                        absl::string_view provider, const Load& load,
                                        const TidewaySettings& settings) {
  absl::StatusOr<tideway::Uri> uri = transports.AddressFor(provider, kLoopback);
  if (!uri.ok()) return uri.status();
  if (load.spin) uri->params["spin_us"] = kSpinUs;
  if (uri->scheme == "tcp" && !settings.congestion.empty()) {
    uri->params["congestion"] = settings.congestion;
  }
  std::vector<std::string> options = LoadOptions(load);
  options.push_back(absl::StrCat("--codec=", load.codec));
  if (settings.fragment_bytes > 0) {
    options.push_back(absl::StrCat("--fragment=", settings.fragment_bytes));
  }
  const auto end = [&](const std::string& role) {
    std::vector<std::string> command = {settings.program};
    if (!settings.role_prefix.empty()) command.push_back(settings.role_prefix);
    command.push_back(role);
    command.insert(command.end(), options.begin(), options.end());
    return command;
  };
  PairCommand pair = {.server = end("server"), .client = end("client"), .address_flag = "--uri="};
  if (uri->scheme == "inproc") {  // nobody else can reach it
    pair.server.clear();
    pair.client = end("pair");
    pair.client.push_back(absl::StrCat("--uri=", uri->ToString()));
  } else {
    pair.server.push_back(absl::StrCat("--uri=", uri->ToString()));
  }
  return pair;
}

bool HasRaw(absl::string_view provider) { return FindRawWire(provider) != nullptr; }

absl::StatusOr<PairCommand> RawPair(absl::string_view provider, const Load& load,
                                    size_t chunk_bytes, const RawSettings& settings) {
  const RawWire* const wire = FindRawWire(provider);
  if (wire == nullptr) {
    return absl::NotFoundError(
        absl::StrCat("no raw program uses what ", provider, " uses; leave --raw out"));
  }
  const std::string program = (std::filesystem::path(settings.folder) / wire->program).string();
  if (!std::filesystem::exists(program)) {
    return absl::UnavailableError(absl::StrCat("there is no ", program, "; build the target ",
                                               wire->program, ", or leave --raw out"));
  }
  std::vector<std::string> options = LoadOptions(load);
  options.push_back(absl::StrCat("--chunk=", chunk_bytes));
  options.push_back(load.spin || !wire->blocks ? "--wait=spin" : "--wait=block");
  options.insert(options.end(), wire->options.begin(), wire->options.end());
  if (wire->provider == absl::string_view("tcp") && !settings.congestion.empty()) {
    options.push_back(absl::StrCat("--congestion=", settings.congestion));
  }
  PairCommand pair = {
      .server = {program, "server"}, .client = {program, "client"}, .address_flag = "--address="};
  pair.server.insert(pair.server.end(), options.begin(), options.end());
  pair.client.insert(pair.client.end(), options.begin(), options.end());
  return pair;
}

std::vector<size_t> RawChunks(size_t bytes) {
  std::vector<size_t> chunks;
  for (const size_t chunk : {size_t{256} << 10, size_t{1} << 20, size_t{4} << 20}) {
    if (chunk < bytes && bytes % chunk == 0) chunks.push_back(chunk);
  }
  chunks.push_back(bytes);
  return chunks;
}

}  // namespace bench
