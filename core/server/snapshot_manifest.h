// A snapshot's manifest: SnapshotContent as bytes and back, with everything in it checked against the layout.
//
// Pure: no disk, no threads.

#ifndef TIDEWAY_CORE_SERVER_SNAPSHOT_MANIFEST_H_
#define TIDEWAY_CORE_SERVER_SNAPSHOT_MANIFEST_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/server/snapshot.h"
#include "tideway/layout.h"
#include "tideway/safetensors.h"

namespace tideway {

// Names of a fragment's tensors in parameters.safetensors.
std::string ThetaName(uint32_t fragment);
std::string SlotName(size_t slot, uint32_t fragment);

std::string SerializeManifest(const SnapshotContent& content, const Layout& layout);

// FAILED_PRECONDITION: the manifest is of another layout or server. DATA_LOSS: it is damaged or does not fit `parameters`.
absl::StatusOr<SnapshotContent> ParseManifest(absl::string_view manifest,
                                              const Safetensors& parameters, const Layout& layout,
                                              uint32_t server_index);

}  // namespace tideway

#endif  // TIDEWAY_CORE_SERVER_SNAPSHOT_MANIFEST_H_
