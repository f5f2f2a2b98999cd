// A program that uses nothing but the installed package.

#include <cstdio>
#include <cstring>

#include "tideway/version.h"

int main() {
  std::printf("Tideway %s\n", tideway::kVersion);
  return std::strlen(tideway::kVersion) > 0 ? 0 : 1;
}
