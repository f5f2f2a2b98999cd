// A transport under another name and scheme, so that one build has two network paths to choose between.

#ifndef TIDEWAY_TESTS_FAULT_ALIAS_TRANSPORT_H_
#define TIDEWAY_TESTS_FAULT_ALIAS_TRANSPORT_H_

#include <memory>
#include <string>
#include <utility>

#include "tideway/transport.h"

namespace tideway::testing {

class AliasTransport final : public Transport {
 public:
  AliasTransport(std::unique_ptr<Transport> inner, std::string scheme, TransportInfo info)
      : inner_(std::move(inner)), scheme_(std::move(scheme)), info_(std::move(info)) {}

  const TransportInfo& info() const override { return info_; }

  absl::StatusOr<std::unique_ptr<Listener>> Listen(const Uri& uri, AcceptHandler accept) override {
    auto listener = inner_->Listen(Under(uri, scheme_), std::move(accept));
    if (!listener.ok()) return listener.status();
    return std::make_unique<AliasListener>(*std::move(listener), info_.name);
  }

  void Connect(const Uri& uri, absl::Time deadline, std::shared_ptr<Receiver> receiver,
               ConnectDone done) override {
    inner_->Connect(Under(uri, scheme_), deadline, std::move(receiver), std::move(done));
  }

  void Stop() override { inner_->Stop(); }

 private:
  class AliasListener final : public Listener {
   public:
    AliasListener(std::unique_ptr<Listener> inner, std::string alias)
        : inner_(std::move(inner)), alias_(std::move(alias)) {}
    Uri address() const override { return Under(inner_->address(), alias_); }

   private:
    const std::unique_ptr<Listener> inner_;
    const std::string alias_;
  };

  static Uri Under(Uri uri, const std::string& scheme) {
    uri.scheme = scheme;
    return uri;
  }

  const std::unique_ptr<Transport> inner_;
  const std::string scheme_;
  const TransportInfo info_;
};

// REQUIRES: `entry` has one scheme and one provider.
inline TransportEntry WithAlias(TransportEntry entry, const std::string& alias) {
  const std::string scheme = entry.schemes.at(0);
  TransportInfo info = entry.probe();
  info.name = alias;
  info.schemes = {alias};
  info.providers.clear();
  entry.name = alias;
  entry.schemes = {alias};
  entry.probe = [info] { return info; };
  entry.create =
      [create = std::move(entry.create), scheme,
       info](const TransportContext& context) -> absl::StatusOr<std::unique_ptr<Transport>> {
    auto inner = create(context);
    if (!inner.ok()) return inner.status();
    return std::make_unique<AliasTransport>(*std::move(inner), scheme, info);
  };
  return entry;
}

}  // namespace tideway::testing

#endif  // TIDEWAY_TESTS_FAULT_ALIAS_TRANSPORT_H_
