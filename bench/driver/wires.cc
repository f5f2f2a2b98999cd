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

constexpr char kTideway[] = "tideway";
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
const RawWire* FindRawWire(absl::string_view provider, absl::string_view form) {
  const bool by_all = form == "push" || form == "pull";
  if (!by_all && !(form == "push-pull" && provider == "tcp")) return nullptr;
  for (const RawWire& wire : RawWires()) {
    if (wire.provider == provider) return &wire;
  }
  return nullptr;
}

std::vector<std::string> LoadOptions(const Load& load) {
  return {absl::StrCat("--form=", load.form), absl::StrCat("--bytes=", load.bytes),
          absl::StrCat("--outstanding=", load.outstanding)};
}

std::vector<std::string> Joined(std::vector<std::string> words,
                                const std::vector<std::string>& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
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

absl::StatusOr<std::vector<std::string>> ServerProgram(absl::string_view name,
                                                       const std::string& self) {
  if (name == kTideway) return std::vector<std::string>{self, "peer"};
  const auto& wires = RawWires();
  if (std::none_of(wires.begin(), wires.end(),
                   [&](const RawWire& wire) { return name == wire.program; })) {
    return absl::NotFoundError(absl::StrCat("there is no program ", name));
  }
  const std::filesystem::path path =
      std::filesystem::path(self).replace_filename(std::string(name));
  if (std::filesystem::exists(path)) return std::vector<std::string>{path.string()};
  return absl::UnavailableError(
      absl::StrCat("there is no ", path.string(), "; build the target ", name));
}

absl::StatusOr<PairCommand> TidewayPair(const tideway::TransportRegistry& transports,
                                        absl::string_view provider, const Load& load,
                                        const WireSettings& settings) {
  absl::StatusOr<tideway::Uri> uri = transports.AddressFor(provider, settings.host);
  if (!uri.ok()) return uri.status();
  if (load.spin) uri->params["spin_us"] = kSpinUs;
  if (uri->scheme == "tcp" && !settings.congestion.empty()) {
    uri->params["congestion"] = settings.congestion;
  }
  auto start = ServerProgram(kTideway, settings.self);
  if (!start.ok()) return start.status();
  std::vector<std::string> options = LoadOptions(load);
  options.push_back(absl::StrCat("--codec=", load.codec));
  options.push_back(absl::StrCat("--completions=", load.completions));
  options.push_back(absl::StrCat("--delta=", load.delta));
  if (load.stages) options.push_back("--stages=on");
  if (load.form == "incast") options.push_back(absl::StrCat("--workers=", load.workers));
  if (load.form == "train-step") {
    options.push_back(absl::StrCat("--inner-steps=", load.inner_steps));
    options.push_back(absl::StrCat("--step-us=", absl::ToInt64Microseconds(load.step)));
    options.push_back(absl::StrCat("--overlap=", load.overlap ? "on" : "off"));
  }
  if (settings.fragment_bytes > 0) {
    options.push_back(absl::StrCat("--fragment=", settings.fragment_bytes));
  }
  PairCommand pair = {.program = kTideway,
                      .start = *std::move(start),
                      .address_flag = "--uri=",
                      .stages = load.stages};
  const std::string address = absl::StrCat("--uri=", uri->ToString());
  if (uri->scheme == "inproc") {  // nobody else can reach it
    pair.client = Joined({"pair", address}, options);
  } else {
    pair.server = Joined(Joined({"server", address}, options), settings.placing.ServerOptions());
    pair.client = Joined({"client"}, options);
  }
  pair.client = Joined(pair.client, settings.placing.WorkerOptions());
  return pair;
}

bool HasRaw(absl::string_view provider, absl::string_view form) {
  return FindRawWire(provider, form) != nullptr;
}

absl::StatusOr<PairCommand> RawPair(absl::string_view provider, const Load& load,
                                    size_t chunk_bytes, const WireSettings& settings) {
  const RawWire* const wire = FindRawWire(provider, load.form);
  if (wire == nullptr) {
    return absl::NotFoundError(
        absl::StrCat("no raw program does ", load.form, " over what ", provider, " uses"));
  }
  auto start = ServerProgram(wire->program, settings.self);
  if (!start.ok()) return start.status();
  std::vector<std::string> options = Joined(LoadOptions(load), wire->options);
  options.push_back(absl::StrCat("--chunk=", chunk_bytes));
  options.push_back(load.spin || !wire->blocks ? "--wait=spin" : "--wait=block");
  PairCommand pair = {
      .program = wire->program, .start = *std::move(start), .address_flag = "--address="};
  if (wire->provider == absl::string_view("tcp")) {
    if (!settings.congestion.empty()) {
      options.push_back(absl::StrCat("--congestion=", settings.congestion));
    }
    pair.server = {absl::StrCat("--address=", settings.host, ":0")};
  }
  pair.server = Joined(Joined({"server"}, options), pair.server);
  pair.server = Joined(pair.server, settings.placing.ServerOptions());
  pair.client = Joined(Joined({"client"}, options), settings.placing.WorkerOptions());
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
