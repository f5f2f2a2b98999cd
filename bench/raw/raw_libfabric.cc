// Bare libfabric: tagged messages over a reliable datagram endpoint. What is moved, and how: tagged.h.
//
//   raw_libfabric server --provider='tcp;ofi_rxm' --form=push --bytes=67108864 --chunk=1048576 --wait=block
//   raw_libfabric client --address=HEX and the same options
//
// --wait=block needs a provider whose completion queue can wait; one that can't ends with that message.

#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_tagged.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "bench/common/control.h"
#include "bench/common/placement.h"
#include "bench/raw/tagged.h"

namespace bench {
namespace {

constexpr size_t kAddressBytesMax = 512;
constexpr int kWaitMs = 1000;
constexpr size_t kCompletionsAtOnce = 16;

void Check(ssize_t result, const std::string& what) {
  if (result < 0) {
    throw std::runtime_error(what + ": " + fi_strerror(static_cast<int>(-result)));
  }
}

struct FreeInfo {
  void operator()(fi_info* info) const { fi_freeinfo(info); }
};
using Info = std::unique_ptr<fi_info, FreeInfo>;

Info FindProvider(const std::string& provider) {
  Info hints(fi_allocinfo());
  hints->ep_attr->type = FI_EP_RDM;
  hints->caps = FI_TAGGED;
  hints->mode = FI_CONTEXT | FI_CONTEXT2;
  hints->fabric_attr->prov_name = strdup(provider.c_str());
  const bool shared_memory = provider == "shm";
  fi_info* found = nullptr;
  Check(
      fi_getinfo(FI_VERSION(1, 17), shared_memory ? nullptr : "127.0.0.1",
                 shared_memory ? nullptr : "0", shared_memory ? 0 : FI_SOURCE, hints.get(), &found),
      "provider " + provider);
  return Info(found);
}

class FabricEnd final : public TaggedEnd {
 public:
  FabricEnd(const std::string& provider, bool spin) : spin_(spin), info_(FindProvider(provider)) {
    Check(fi_fabric(info_->fabric_attr, &fabric_, nullptr), "fi_fabric");
    Check(fi_domain(fabric_, info_.get(), &domain_, nullptr), "fi_domain");
    Check(fi_endpoint(domain_, info_.get(), &endpoint_, nullptr), "fi_endpoint");
    fi_cq_attr queue = {};
    queue.format = FI_CQ_FORMAT_CONTEXT;
    queue.wait_obj = spin ? FI_WAIT_NONE : FI_WAIT_UNSPEC;
    Check(fi_cq_open(domain_, &queue, &queue_, nullptr), "fi_cq_open");
    fi_av_attr peers = {};
    Check(fi_av_open(domain_, &peers, &peers_, nullptr), "fi_av_open");
    Check(fi_ep_bind(endpoint_, &queue_->fid, FI_SEND | FI_RECV), "fi_ep_bind");
    Check(fi_ep_bind(endpoint_, &peers_->fid, 0), "fi_ep_bind");
    Check(fi_enable(endpoint_), "fi_enable");
  }
  ~FabricEnd() override {
    for (fid* one : {&endpoint_->fid, &peers_->fid, &queue_->fid, &domain_->fid, &fabric_->fid}) {
      fi_close(one);
    }
  }

  std::string Address() override {
    std::string address(kAddressBytesMax, '\0');
    size_t bytes = address.size();
    Check(fi_getname(&endpoint_->fid, address.data(), &bytes), "fi_getname");
    address.resize(bytes);
    return address;
  }

  void Connect(const std::string& address) override {
    if (fi_av_insert(peers_, address.data(), 1, &peer_, 0, nullptr) != 1) {
      throw std::runtime_error("fi_av_insert refused the peer's address");
    }
  }

  void Send(Tag tag, const void* data, size_t bytes, Operation& operation) override {
    Begin(operation, [&] {
      return fi_tsend(endpoint_, data, bytes, nullptr, peer_, static_cast<uint64_t>(tag),
                      &operation.context);
    });
  }

  void Receive(Tag tag, void* data, size_t bytes, Operation& operation) override {
    Begin(operation, [&] {
      return fi_trecv(endpoint_, data, bytes, nullptr, FI_ADDR_UNSPEC, static_cast<uint64_t>(tag),
                      0, &operation.context);
    });
  }

  void Progress() override {
    fi_cq_entry done[kCompletionsAtOnce];
    ssize_t count = fi_cq_read(queue_, done, kCompletionsAtOnce);
    if (count == -FI_EAGAIN && !spin_) {
      count = fi_cq_sread(queue_, done, kCompletionsAtOnce, nullptr, kWaitMs);
    }
    if (count == -FI_EAGAIN || count == -FI_EINTR) return;
    Check(count, "completion queue");
    for (ssize_t i = 0; i < count; ++i) {
      static_cast<Operation*>(done[i].op_context)->done = true;  // its first member is the context
    }
  }

 private:
  template <typename Call>
  void Begin(Operation& operation, Call call) {
    operation.done = false;
    ssize_t result = call();
    while (result == -FI_EAGAIN) {
      Progress();
      result = call();
    }
    Check(result, "an operation");
  }

  const bool spin_;
  const Info info_;
  fid_fabric* fabric_ = nullptr;
  fid_domain* domain_ = nullptr;
  fid_ep* endpoint_ = nullptr;
  fid_cq* queue_ = nullptr;
  fid_av* peers_ = nullptr;
  fi_addr_t peer_ = FI_ADDR_UNSPEC;
};

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  return bench::Main([&] {
    const bench::Options options(
        argc, argv,
        {"form", "bytes", "chunk", "wait", "outstanding", "address", "provider", "cpus", "numa"});
    bench::Place(options);
    const bench::TaggedSettings settings(options);
    bench::FabricEnd end(options.Text("provider", "tcp;ofi_rxm"), settings.spin);
    if (options.role() == "server") {
      bench::RunTaggedServer(settings, end);
    } else {
      bench::RunTaggedClient(settings, end);
    }
  });
}
