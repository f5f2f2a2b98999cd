#include "core/server/listeners.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/runtime/host_identity.h"
#include "core/runtime/paths.h"
#include "tideway/transport_report.h"

namespace tideway {

Listeners::Listeners(Runtime* runtime, Accept accept, OnOffer on_offer)
    : runtime_(runtime), accept_(std::move(accept)), on_offer_(std::move(on_offer)) {
  Executor& executor = runtime_->executor();
  offer_.set_host_id(HostIdentity(executor.Random()));
  offer_.set_life(executor.Random() | 1);
}

absl::Status Listeners::Open(const std::vector<std::string>& addresses) {
  for (const std::string& address : addresses) {
    absl::StatusOr<Uri> uri = Uri::Parse(address);
    absl::Status status = uri.status();
    if (uri.ok()) status = uri->scheme == kAutoScheme ? OpenAuto(*uri) : OpenPlain(*uri);
    if (!status.ok()) {
      return absl::Status(status.code(),
                          absl::StrCat("can't listen on ", address, ": ", status.message()));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Uri> Listeners::Listen(const Uri& uri) {
  absl::StatusOr<Transport*> transport = runtime_->TransportFor(uri.scheme);
  if (!transport.ok()) return transport.status();
  auto listener =
      (*transport)->Listen(uri, [accept = accept_](std::shared_ptr<Connection> connection) {
        return accept(std::move(connection));
      });
  if (!listener.ok()) return listener.status();
  listeners_.push_back(*std::move(listener));
  return listeners_.back()->address();
}

absl::Status Listeners::OpenPlain(const Uri& uri) {
  absl::StatusOr<Uri> bound = Listen(uri);
  if (!bound.ok()) return bound.status();
  wire::Path path;
  path.set_provider(ProviderNameOf(runtime_->transports(), *bound));
  path.set_uri(bound->ToString());
  *offer_.add_paths() = std::move(path);
  on_offer_(offer_);
  addresses_.push_back(bound->ToString());
  return absl::OkStatus();
}

absl::Status Listeners::OpenAuto(const Uri& uri) {
  if (!uri.params.empty()) {
    return absl::InvalidArgumentError(
        "a server's auto:// address has no parameters; `require` belongs to the clients' "
        "addresses");
  }
  absl::StatusOr<std::string> bootstrap = BootstrapScheme(runtime_->transports());
  if (!bootstrap.ok()) return bootstrap.status();
  OfferProviders(uri.host, *bootstrap);
  Uri asked = uri;
  asked.scheme = *bootstrap;
  // Whoever comes by the next listener shall be told of all others. Its own path a client knows without being told.
  on_offer_(offer_);
  absl::StatusOr<Uri> bound = Listen(asked);
  if (!bound.ok()) return bound.status();
  bound->scheme = kAutoScheme;
  bound->params.clear();
  addresses_.push_back(bound->ToString());
  return absl::OkStatus();
}

void Listeners::OfferProviders(const std::string& host, const std::string& but_scheme) {
  for (const LocalPath& path : LocalPaths(runtime_->transports())) {
    if (path.provider.scheme == but_scheme) continue;
    OfferProvider(path.provider, host);
  }
}

void Listeners::OfferProvider(const ProviderInfo& provider, const std::string& host) {
  wire::Path path;
  path.set_provider(provider.name);
  path.set_same_host_only(provider.same_host_only);
  if (!provider.viable) {
    path.set_refused(provider.unavailable_reason);
  } else {
    const absl::StatusOr<Uri> bound = Listen(
        {.scheme = provider.scheme, .host = host, .port = uint16_t{0}, .params = provider.params});
    if (bound.ok()) {
      path.set_uri(bound->ToString());
    } else {
      path.set_refused(absl::StrCat("the server can't listen: ", bound.status().message()));
    }
  }
  *offer_.add_paths() = std::move(path);
}

}  // namespace tideway
