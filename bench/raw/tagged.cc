#include "bench/raw/tagged.h"

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "bench/common/control.h"
#include "bench/common/vectors.h"

namespace bench {
namespace {

constexpr size_t kWindow = 4;
constexpr size_t kAckBytes = 64;  // about a header
constexpr size_t kAddressBytesMax = 4096;
constexpr char kDigits[] = "0123456789abcdef";

std::string ToHex(const std::string& bytes) {
  std::string text;
  for (const char byte : bytes) {
    text += kDigits[static_cast<unsigned char>(byte) >> 4];
    text += kDigits[static_cast<unsigned char>(byte) & 15];
  }
  return text;
}

std::string FromHex(const std::string& text) {
  std::string bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

void ServePushes(const TaggedSettings& settings, TaggedEnd& end, Vector& sum) {
  const size_t elements = settings.chunk / sizeof(float);
  Vector arriving(kWindow * elements);
  Operation receives[kWindow];
  Operation ack_sent;
  const char ack[kAckBytes] = {};
  const auto post = [&](size_t slot) {
    end.Receive(Tag::kData, arriving.data() + slot * elements, settings.chunk, receives[slot]);
  };
  for (size_t slot = 0; slot < kWindow; ++slot) post(slot);
  for (size_t slot = 0;;) {
    for (size_t at = 0; at < settings.bytes; at += settings.chunk) {
      end.Wait(receives[slot]);
      Add(arriving.data() + slot * elements, elements, sum.data() + at / sizeof(float));
      post(slot);
      slot = (slot + 1) % kWindow;
    }
    end.Send(Tag::kAck, ack, kAckBytes, ack_sent);
    end.Wait(ack_sent);
  }
}

void ServePulls(const TaggedSettings& settings, TaggedEnd& end, const Vector& sum) {
  std::vector<Operation> sends(settings.bytes / settings.chunk);
  Operation asked;
  char request[kAckBytes];
  while (true) {
    end.Receive(Tag::kRequest, request, kAckBytes, asked);
    end.Wait(asked);
    for (size_t i = 0; i < sends.size(); ++i) {
      end.Send(Tag::kData, sum.data() + i * settings.chunk / sizeof(float), settings.chunk,
               sends[i]);
    }
    for (const Operation& send : sends) end.Wait(send);
  }
}

// Pushes with a window of them under way: `kWindow` chunks, and `outstanding` acknowledgements.
class Pusher {
 public:
  Pusher(const TaggedSettings& settings, TaggedEnd& end, const Vector& delta)
      : settings_(settings), end_(end), delta_(delta), acks_(settings.outstanding) {}

  // Returns when the oldest of `outstanding` pushes has ended.
  void Push() {
    Ack& ack = acks_[begun_++ % acks_.size()];
    end_.Receive(Tag::kAck, ack.bytes, kAckBytes, ack.received);
    for (size_t at = 0; at < settings_.bytes; at += settings_.chunk) {
      end_.Wait(sends_[slot_]);
      end_.Send(Tag::kData, delta_.data() + at / sizeof(float), settings_.chunk, sends_[slot_]);
      slot_ = (slot_ + 1) % kWindow;
    }
    if (begun_ - ended_ == acks_.size()) AwaitOldest();
  }

  void Drain() {
    while (ended_ < begun_) AwaitOldest();
    for (const Operation& send : sends_) end_.Wait(send);
  }

 private:
  struct Ack {
    Operation received;
    char bytes[kAckBytes];
  };

  void AwaitOldest() { end_.Wait(acks_[ended_++ % acks_.size()].received); }

  const TaggedSettings& settings_;
  TaggedEnd& end_;
  const Vector& delta_;
  Operation sends_[kWindow];
  size_t slot_ = 0;
  std::vector<Ack> acks_;
  size_t begun_ = 0;
  size_t ended_ = 0;
};

void Pull(const TaggedSettings& settings, TaggedEnd& end, Vector& into) {
  std::vector<Operation> receives(settings.bytes / settings.chunk);
  for (size_t i = 0; i < receives.size(); ++i) {
    end.Receive(Tag::kData, into.data() + i * settings.chunk / sizeof(float), settings.chunk,
                receives[i]);
  }
  const char request[kAckBytes] = {};
  Operation asked;
  end.Send(Tag::kRequest, request, kAckBytes, asked);
  for (const Operation& receive : receives) end.Wait(receive);
  end.Wait(asked);
}

}  // namespace

TaggedSettings::TaggedSettings(const Options& options)
    : push(options.Choice("form", {"push", "pull"}) == "push"),
      bytes(options.Number("bytes", size_t{64} << 20)),
      chunk(std::min<size_t>(options.Number("chunk", size_t{1} << 20), bytes)),
      spin(options.Choice("wait", {"block", "spin"}) == "spin"),
      outstanding(std::max<size_t>(options.Number("outstanding", 1), 1)),
      address(FromHex(options.Text("address", ""))) {
  if (chunk == 0 || bytes % chunk != 0 || chunk % sizeof(float) != 0) {
    throw std::invalid_argument("--chunk must divide --bytes and be a multiple of 4");
  }
}

void RunTaggedServer(const TaggedSettings& settings, TaggedEnd& end) {
  Vector sum(settings.bytes / sizeof(float));
  if (!settings.push) FillPattern(sum.span());
  ServeDriverAside(ToHex(end.Address()), [&sum, &settings](uint64_t pushes) {
    return IsPattern(sum.span(), settings.push ? static_cast<double>(pushes) : 1.0);
  });
  std::string hello(kAddressBytesMax, '\0');
  Operation greeted;
  end.Receive(Tag::kHello, hello.data(), hello.size(), greeted);
  end.Wait(greeted);
  end.Connect(hello);
  if (settings.push) {
    ServePushes(settings, end, sum);
  } else {
    ServePulls(settings, end, sum);
  }
}

void RunTaggedClient(const TaggedSettings& settings, TaggedEnd& end) {
  Vector vector(settings.bytes / sizeof(float));
  if (settings.push) FillPattern(vector.span());
  end.Connect(settings.address);
  std::string hello = end.Address();
  hello.resize(kAddressBytesMax, '\0');
  Operation greeted;
  end.Send(Tag::kHello, hello.data(), hello.size(), greeted);
  end.Wait(greeted);
  Pusher pusher(settings, end, vector);
  RunClient({.bytes = settings.bytes,
             .pushes = settings.push,
             .outstanding = settings.push ? settings.outstanding : 1,
             .operation =
                 [&] {
                   if (settings.push) {
                     pusher.Push();
                   } else {
                     Pull(settings, end, vector);
                   }
                 },
             .drain = [&] { pusher.Drain(); },
             .check = [&] { return IsPattern(vector.span(), 1.0); }});
}

}  // namespace bench
