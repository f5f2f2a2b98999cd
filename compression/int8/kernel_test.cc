// Every target makes the bits of the scalar reference.

#include "compression/int8/kernel.h"

#include "compression/common/block_kernel_testing.h"
#include "compression/int8/scalar.h"
#include "gtest/gtest.h"

namespace tideway::compression {
namespace {

const testing::BlockKernel kKernel{EncodeInt8, scalar::EncodeInt8, DecodeAddInt8,
                                   scalar::DecodeAddInt8, 1};

TEST(Int8Kernel, EncodesToTheScalarReferencesBitsOnEveryTarget) {
  testing::ExpectSameEncoding(kKernel);
}

TEST(Int8Kernel, DecodesToTheScalarReferencesBitsOnEveryTarget) {
  testing::ExpectSameDecoding(kKernel);
}

TEST(Int8Kernel, RefusesWhatTheScalarReferenceRefusesOnEveryTarget) {
  testing::ExpectSameRefusals(kKernel);
}

TEST(Int8Kernel, SeesWhatIsNotFiniteAndLeavesTheResidualOnEveryTarget) {
  testing::ExpectNotFiniteIsSeen(kKernel);
}

}  // namespace
}  // namespace tideway::compression
