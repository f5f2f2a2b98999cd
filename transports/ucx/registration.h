// Registrations: memory that UCX has registered for RDMA, each piece once, however often and over however many connections
// it is exposed.
//
// Threads: any.

#ifndef TIDEWAY_TRANSPORTS_UCX_REGISTRATION_H_
#define TIDEWAY_TRANSPORTS_UCX_REGISTRATION_H_

#include <ucp/api/ucp.h>

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"

namespace tideway::ucx {

class Context;

class Registration {
 public:
  // RESOURCE_EXHAUSTED: so much can't be registered.
  static absl::StatusOr<std::shared_ptr<Registration>> Create(std::shared_ptr<Context> context,
                                                              absl::Span<const std::byte> memory);
  ~Registration();
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;

  // The remote key, as UCX packs it.
  const std::string& key() const { return key_; }

 private:
  Registration(std::shared_ptr<Context> context, ucp_mem_h handle, std::string key)
      : context_(std::move(context)), handle_(handle), key_(std::move(key)) {}

  const std::shared_ptr<Context> context_;
  const ucp_mem_h handle_;
  const std::string key_;
};

class Registrations {
 public:
  absl::StatusOr<std::shared_ptr<Registration>> Get(const std::shared_ptr<Context>& context,
                                                    absl::Span<const std::byte> memory);

 private:
  using Place = std::pair<const std::byte*, size_t>;
  absl::Mutex mutex_;
  std::map<Place, std::weak_ptr<Registration>> present_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tideway::ucx

#endif  // TIDEWAY_TRANSPORTS_UCX_REGISTRATION_H_
