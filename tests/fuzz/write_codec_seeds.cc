// Writes one seed per codec, wrapper and kind of version difference into a folder: for a new codec,
//
//   build/dev/bin/write_codec_seeds tests/fuzz/corpus/codec_decode

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>

#include "absl/strings/ascii.h"
#include "tests/fuzz/codec_seeds.h"

namespace tideway::fuzz {
namespace {

constexpr size_t kElements = 70;  // more than one block of most codecs

bool Write(const std::string& folder, std::string name, const Bytes& input) {
  const auto is_special = [](unsigned char c) { return !absl::ascii_isalnum(c); };
  std::replace_if(name.begin(), name.end(), is_special, '_');
  std::ofstream file(folder + "/seed_" + name, std::ios::binary);
  file.write(reinterpret_cast<const char*>(input.data()),
             static_cast<std::streamsize>(input.size()));
  return file.good();
}

bool WriteAll(const std::string& folder) {
  std::mt19937_64 random(1);
  bool written = true;
  for (const auto& codec : Encoders()) {
    written &= Write(folder, codec->info().spec, ValidInput(*codec, kElements, random));
    if (codec->version_difference() == nullptr) continue;
    for (const size_t word_bytes : {2, 4}) {
      written &=
          Write(folder, "difference_" + std::to_string(word_bytes),
                ValidDifference(*codec->version_difference(), word_bytes, kElements, random));
    }
  }
  return written;
}

}  // namespace
}  // namespace tideway::fuzz

int main(int argc, char** argv) {
  if (argc == 2 && tideway::fuzz::WriteAll(argv[1])) return 0;
  std::fprintf(stderr, "usage: write_codec_seeds FOLDER (which must be there)\n");
  return 1;
}
