// PublishedChain: what pulls by differences are answered from: one published copy P of a fragment, which all clients of one
// difference codec share, and the differences that led to it.
//
// Publishing is lazy. Serve is handed the version that is to be pulled and its master copy theta; only if the newest copy is
// older is theta - P encoded, and P becomes what everybody makes of those bytes. So the error of one difference is part of the
// next, and a lossless difference makes P equal theta.
//
// The answer is the row of differences from where the client is, or the whole copy (the anchor), whichever is smaller. The
// differences are kept while all of them together are smaller than an anchor and are kChainLinksMax at most.
//
// A window pins the copy that its first pull was answered from, so that all who pull for it start from the same parameters. If
// the chain was past that version already, the window gets theta itself, as a copy that belongs to no chain.
//
// When theta - P can't be encoded (an infinity), a new chain begins with theta.
//
// Memory, counted in anchors (fp32 bytes of the fragment): 1 for P, 1 for the differences, up to kPublishedWindowsKept for pinned
// copies that are older, up to kChainAnswersKept for answers; an answer that is being sent holds what it is made of.
//
// Threads: one at a time, on the fragment's strand. Answers are immutable, and may be read on any thread.

#ifndef TIDEWAY_CORE_SERVER_PUBLISHED_CHAIN_H_
#define TIDEWAY_CORE_SERVER_PUBLISHED_CHAIN_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "core/wire/chain_frames.h"
#include "tideway/codec.h"

namespace tideway {

class PublishedChain {
 public:
  struct Answer {
    wire::ChainPosition reached;
    std::optional<wire::ChainPosition>
        start;  // none: `bytes` are the fp32 values; else wire::Differences
    absl::Span<const std::byte> bytes;
    uint64_t hash = 0;                   // wire::HashPayload(bytes)
    std::shared_ptr<const void> memory;  // behind `bytes`
  };

  // `id`: random, so that no other chain has it.
  explicit PublishedChain(uint64_t id) : id_(id == 0 ? 1 : id) {}

  // The answer to a pull of `version`, whose master copy is `theta`, by a client that holds `held`. `window`: 0, or what it is
  // pulled for; then `version` counts only for the first pull. `codec` is the same, or one of the same spec, each time.
  Answer Serve(const Codec& codec, uint64_t window, uint64_t version, absl::Span<const float> theta,
               wire::ChainPosition held);

  // What the chain holds now, without answers that others hold.
  size_t memory_bytes() const;

 private:
  struct Copy {
    wire::ChainPosition position;
    uint64_t hash = 0;
    std::vector<float> values;
  };
  struct Link {  // from one version to another
    uint64_t from = 0;
    uint64_t to = 0;
    std::vector<std::byte> bytes;
  };

  std::shared_ptr<const Copy> CopyFor(const Codec& codec, uint64_t window, uint64_t version,
                                      absl::Span<const float> theta);
  void Extend(const Codec& codec, uint64_t version, absl::Span<const float> theta);
  absl::Status AddLink(const Codec& codec, uint64_t version, absl::Span<const float> theta);
  void BeginAnew(uint64_t version, absl::Span<const float> theta);
  void Trim();
  // Null: there is no row of differences, or it is not smaller.
  std::shared_ptr<const Answer> DifferencesTo(const Copy& copy, wire::ChainPosition held);
  std::shared_ptr<const Answer> MakeDifferences(const Copy& copy, wire::ChainPosition held) const;

  uint64_t id_;
  std::shared_ptr<const Copy> newest_;  // null: nobody has pulled yet
  std::deque<Link> links_;  // each begins where the one before it ends; the last ends at newest_
  size_t link_bytes_ = 0;
  std::map<uint64_t, std::shared_ptr<const Copy>> by_window_;
  std::deque<std::shared_ptr<const Answer>> answers_;  // rows of differences, the newest last
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_SERVER_PUBLISHED_CHAIN_H_
