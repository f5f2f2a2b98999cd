// SideChannel: the TCP connection beside each UCX connection. Over it the ends shake hands and say goodbye, and the kernel
// tells over it that the other process has died.
//
// Threads: the progress thread only. An operation keeps the channel alive until it has ended. After Close no callback
// comes any more.

#ifndef TIDEWAY_TRANSPORTS_UCX_SIDE_CHANNEL_H_
#define TIDEWAY_TRANSPORTS_UCX_SIDE_CHANNEL_H_

#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "asio/ip/tcp.hpp"
#include "transports/ucx/wire.h"

namespace tideway::ucx {

struct Frame {
  FrameType type;
  std::string body;
};

class SideChannel : public std::enable_shared_from_this<SideChannel> {
 public:
  using OnFrame = absl::AnyInvocable<void(absl::StatusOr<Frame>)>;

  explicit SideChannel(asio::ip::tcp::socket socket);

  const std::string& local() const { return local_; }
  const std::string& peer() const { return peer_; }

  // Errors show when reading. REQUIRES: a few frames only; nothing bounds them but their owner.
  void Write(FrameType type, absl::string_view body);
  // One frame. UNAVAILABLE: the peer is gone or no Tideway. REQUIRES: no other Read is under way.
  void Read(OnFrame on_frame);

  // Asks the kernel whether the peer has closed its end; reads nothing.
  bool PeerIsGone();

  // What was written still goes out.
  void Close();

 private:
  void WriteNext();
  void ReadBody();
  void Deliver(absl::StatusOr<Frame> frame);
  absl::Status Broken(const asio::error_code& error) const;

  std::optional<asio::ip::tcp::socket> socket_;  // none: closed
  std::string local_;
  std::string peer_;
  OnFrame on_frame_;
  std::array<std::byte, kFramePrefixBytes> prefix_bytes_;
  FramePrefix prefix_ = {};
  std::string body_;
  std::deque<std::string> writing_;
};

// "127.0.0.1:5000" or "[::1]:5000"
std::string EndpointText(const asio::ip::tcp::endpoint& endpoint);

}  // namespace tideway::ucx

#endif  // TIDEWAY_TRANSPORTS_UCX_SIDE_CHANNEL_H_
