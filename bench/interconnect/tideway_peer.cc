// One end of a benchmark, for drivers: see bench/peer/peer.h.

#include "bench/peer/peer.h"

int main(int argc, char** argv) { return bench::PeerMain(argc, argv); }
