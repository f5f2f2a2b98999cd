// Every limit of Tideway stands here, with the relations between them.
//
// A limit is a promise to the other end: whoever is asked for more refuses with RESOURCE_EXHAUSTED or
// INVALID_ARGUMENT and names the limit. Sizes are in bytes unless the name says otherwise.

#ifndef TIDEWAY_CORE_INCLUDE_TIDEWAY_LIMITS_H_
#define TIDEWAY_CORE_INCLUDE_TIDEWAY_LIMITS_H_

#include <cstddef>
#include <cstdint>

namespace tideway {

// --- messages -------------------------------------------------------------------------------------
// A message is a small header and a payload. The transport delimits both and understands neither.
inline constexpr size_t kMessageHeaderBytesMax = 256;
inline constexpr size_t kMessagePayloadBytesMax = size_t{64} << 20;
inline constexpr size_t kGatherPartsMax = 8;
// What ExposedMemory::descriptor may have: a packed remote key of a host with many adapters, and a little.
inline constexpr size_t kMemoryDescriptorBytesMax = 1024;
inline constexpr size_t kExposedMemoriesMax = size_t{1} << 16;  // per transport
inline constexpr size_t kReadsInFlightMax = 4096;               // one-sided, per connection
// What one connection may hold in its send queue before Send answers RESOURCE_EXHAUSTED.
inline constexpr size_t kSendQueueBytesMax = size_t{256} << 20;
inline constexpr size_t kSendQueueMessagesMax = 8192;

// --- TCP with several streams -----------------------------------------------------------------------
inline constexpr size_t kTcpStreamsMax = 8;  // per connection
// Striped messages that one direction of a connection may have open. Both ends must have the same.
inline constexpr size_t kStripedMessagesOpenMax = 64;
inline constexpr size_t kStripedBytesOpenMax = kMessagePayloadBytesMax;
// Sockets that a listener lets wait for their first bytes.
inline constexpr size_t kTcpNewcomersMax = 256;
inline constexpr size_t kTcpUnpairedConnectionsMax = 64;  // that wait for streams, per listener

// --- layout ---------------------------------------------------------------------------------------
inline constexpr size_t kFragmentBytesDefault = size_t{1} << 20;  // fp32 bytes
inline constexpr size_t kFragmentBytesMax = size_t{16} << 20;
inline constexpr size_t kFragmentBytesMin = 4;
inline constexpr size_t kFragmentsMax = size_t{1} << 20;
inline constexpr size_t kTensorsMax = size_t{1} << 16;
inline constexpr size_t kTensorNameBytesMax = 512;
inline constexpr size_t kTensorRankMax = 16;
inline constexpr size_t kServersMax = 1024;

// --- control plane --------------------------------------------------------------------------------
inline constexpr size_t kControlBytesMax = size_t{1} << 20;  // one serialised control message
inline constexpr size_t kWorkerNameBytesMax = 128;
inline constexpr size_t kSpecBytesMax = 512;  // a codec, optimizer or transport spec
inline constexpr size_t kUriBytesMax = 1024;
inline constexpr size_t kSessionsMax = 4096;   // per server
inline constexpr size_t kShardsMax = 1 << 16;  // data shards

// --- choice of a path -------------------------------------------------------------------------------
inline constexpr size_t kPathsMax = 64;  // that a server may offer
inline constexpr size_t kProbeBytesMax = size_t{1} << 20;
inline constexpr size_t kProbesMax = 256;             // per connection, before its hello
inline constexpr size_t kTransportSwitchesKept = 16;  // in a TransportReport

// --- flow -----------------------------------------------------------------------------------------
// Encoded bytes that one client may have un-acked at one server.
inline constexpr size_t kCreditBytesDefault = size_t{32} << 20;
inline constexpr size_t kCodecsUpMax = 8;          // that one client may choose from
inline constexpr size_t kPushesInFlightMax = 512;  // per client and server
inline constexpr size_t kPullsInFlightMax = 512;   // per client and server
inline constexpr size_t kDedupWindow =
    2048;  // un-floored sequences remembered per incarnation and fragment
inline constexpr size_t kRetiredIncarnationsKept =
    16;                                      // former lives that a server still fences, per worker
inline constexpr size_t kWorkersMax = 4096;  // names that a server remembers
inline constexpr size_t kPublishedWindowsKept =
    4;  // grace windows whose snapshot a server still serves

// --- one-sided pulls ------------------------------------------------------------------------------
// Snapshots of one fragment that peers can read: the pinned ones, the newest, and the one that is being written.
inline constexpr size_t kExposedSlotsPerFragment = kPublishedWindowsKept + 2;
inline constexpr size_t kOneSidedBytesMaxDefault = size_t{8} << 30;  // of one server's exposed area
inline constexpr size_t kDirectoryReadBytesMax = size_t{64} << 10;   // of one read of the directory
inline constexpr int kOneSidedTriesMax = 4;  // reads of one fragment before it is asked for

// --- deltas in shared memory -----------------------------------------------------------------------
inline constexpr size_t kSharedBlockBytesMax = size_t{1} << 40;  // of one SharedVector
inline constexpr size_t kSharedBlocksMax = 8;  // that a server maps for one session

// --- pulls by differences -------------------------------------------------------------------------
inline constexpr size_t kDifferenceCodecsMax = 4;  // that a server makes differences with at a time
inline constexpr size_t kChainLinksMax = 64;       // differences kept per fragment and codec
inline constexpr size_t kChainAnswersKept = 2;     // ready to be sent again, per fragment and codec

// --- weight sync ------------------------------------------------------------------------------------
// What is encoded, checked and copied at once. A tensor's chunks have this size, the last one what is left.
inline constexpr size_t kWeightChunkBytesDefault = size_t{256} << 10;
inline constexpr size_t kWeightChunkBytesMin = 64;
inline constexpr size_t kWeightChunkBytesMax = size_t{16} << 20;
inline constexpr size_t kWeightBytesMax = size_t{1} << 44;   // of one model
inline constexpr size_t kWeightChunksMax = size_t{1} << 24;  // of one model
// Encoded chunks share a frame: a run ends with the chunk that fills it.
inline constexpr size_t kWeightRunBytes = size_t{8} << 20;
inline constexpr size_t kWeightRunChunksMax = 4096;
inline constexpr size_t kWeightTableBytesMax = size_t{16}
                                               << 20;  // a welcome with the tensors' table
inline constexpr size_t kWeightLinksMax = 1024;        // differences that a publisher may keep
inline constexpr size_t kWeightAnchorsMax = 16;        // that a publisher serves at a time
inline constexpr size_t kWeightSubscribersMax = 4096;  // of one publisher
inline constexpr size_t kWeightCopiesMax = 16;         // of a subscriber's model
inline constexpr size_t kWeightWaitersMax = 1024;      // of one subscriber
// What may be under way to one subscriber, who has not yet said that it took it. One frame may always be.
inline constexpr size_t kWeightFramesInFlight = 256;
inline constexpr size_t kWeightBytesInFlight = size_t{32} << 20;

// No codec may need more than this for `elements` floats: bounds what a receiver accepts unseen.
constexpr size_t EncodedBytesMax(size_t elements) { return 8 * elements + 1024; }

static_assert(kFragmentBytesDefault <= kFragmentBytesMax);
static_assert(EncodedBytesMax(kFragmentBytesMax / sizeof(float)) <= kMessagePayloadBytesMax,
              "the largest fragment must fit into one message with any codec");
static_assert(kControlBytesMax <= kMessagePayloadBytesMax);
static_assert(kWeightTableBytesMax <= kMessagePayloadBytesMax);
static_assert(kWeightRunBytes + kWeightChunkBytesMax + (1 << 20) <= kMessagePayloadBytesMax,
              "a run of chunks must fit into one message");
static_assert(kTensorsMax * sizeof(uint64_t) <= kMessagePayloadBytesMax,
              "the checksums of all tensors must fit into one message");
static_assert(kWeightFramesInFlight < kSendQueueMessagesMax);
static_assert(2 * kWeightBytesInFlight <= kSendQueueBytesMax);
static_assert(kPushesInFlightMax * 4 <= kDedupWindow,
              "a retry must still be inside the window that recognises it");
static_assert(kPushesInFlightMax + kPullsInFlightMax < kSendQueueMessagesMax,
              "a server must be able to queue an answer to everything that a client may ask");
static_assert(EncodedBytesMax(kFragmentBytesMax / sizeof(float)) <= kCreditBytesDefault + (1 << 10),
              "one fragment must fit into the credit");

}  // namespace tideway

#endif  // TIDEWAY_CORE_INCLUDE_TIDEWAY_LIMITS_H_
