// Writes some valid inputs of weight_frames.h into a folder:
//
//   build/dev/bin/write_weight_seeds tests/fuzz/corpus/weight_frames

#include <cstdio>
#include <fstream>
#include <random>
#include <string>

#include "tests/fuzz/weight_seeds.h"

namespace tideway::fuzz {
namespace {

bool Write(const std::string& path, const Input& input) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(input.data()),
             static_cast<std::streamsize>(input.size()));
  return file.good();
}

bool WriteAll(const std::string& folder) {
  std::mt19937_64 random(1);
  return Write(folder + "/seed_header", ValidHeader()) &&
         Write(folder + "/seed_welcome", ValidWelcome()) &&
         Write(folder + "/seed_whole", ValidWhole(random)) &&
         Write(folder + "/seed_difference", ValidChain(1, random)) &&
         Write(folder + "/seed_chain", ValidChain(3, random));
}

}  // namespace
}  // namespace tideway::fuzz

int main(int argc, char** argv) {
  if (argc == 2 && tideway::fuzz::WriteAll(argv[1])) return 0;
  std::fprintf(stderr, "usage: write_weight_seeds FOLDER (which must be there)\n");
  return 1;
}
