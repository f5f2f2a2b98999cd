// Every target makes the bits of the scalar reference.

#include "compression/int4/kernel.h"

#include "compression/common/block_kernel_testing.h"
#include "compression/int4/scalar.h"
#include "gtest/gtest.h"

namespace tideway::compression {
namespace {

const testing::BlockKernel kKernel{EncodeInt4, scalar::EncodeInt4, DecodeAddInt4,
                                   scalar::DecodeAddInt4, 2};

TEST(Int4Kernel, EncodesToTheScalarReferencesBitsOnEveryTarget) {
  testing::ExpectSameEncoding(kKernel);
}

TEST(Int4Kernel, DecodesToTheScalarReferencesBitsOnEveryTarget) {
  testing::ExpectSameDecoding(kKernel);
}

TEST(Int4Kernel, RefusesWhatTheScalarReferenceRefusesOnEveryTarget) {
  testing::ExpectSameRefusals(kKernel);
}

TEST(Int4Kernel, SeesWhatIsNotFiniteAndLeavesTheResidualOnEveryTarget) {
  testing::ExpectNotFiniteIsSeen(kKernel);
}

}  // namespace
}  // namespace tideway::compression
