// Every target makes the bits of the scalar reference.

#include "compression/sign/kernel.h"

#include "compression/common/block_kernel_testing.h"
#include "compression/sign/scalar.h"
#include "gtest/gtest.h"

namespace tideway::compression {
namespace {

const testing::BlockKernel kKernel{EncodeSign, scalar::EncodeSign, DecodeAddSign,
                                   scalar::DecodeAddSign, 8};

TEST(SignKernel, EncodesToTheScalarReferencesBitsOnEveryTarget) {
  testing::ExpectSameEncoding(kKernel);
}

TEST(SignKernel, DecodesToTheScalarReferencesBitsOnEveryTarget) {
  testing::ExpectSameDecoding(kKernel);
}

TEST(SignKernel, RefusesWhatTheScalarReferenceRefusesOnEveryTarget) {
  testing::ExpectSameRefusals(kKernel);
}

TEST(SignKernel, SeesWhatIsNotFiniteAndLeavesTheResidualOnEveryTarget) {
  testing::ExpectNotFiniteIsSeen(kKernel);
}

}  // namespace
}  // namespace tideway::compression
