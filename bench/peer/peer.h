// Tideway's side of a comparison: a real Server and real Clients, over any transport that an address can name. What speaks with the
// driver that started it is bench/common/control.h; the driver may be tideway-bench, run.py or a person.
//
//   server --uri=tcp://127.0.0.1:0?congestion=cubic --form=push --bytes=67108864
//   client --uri=ADDRESS and the same options
//   pair   --uri=inproc://here and the same options: both ends in one process, driven as a client is
//   idle   --uri=ADDRESS --workers=100: connects, prints {"ready": true}, and does nothing
//
// Push: Client::Push with --codec (identity), one completion per push, --outstanding of them under way; the server's outer optimizer
// is sgd with lr=1, so that it adds (the delta counts downwards, so the sum is the pattern times minus the number of pushes). Pull:
// Client::Pull, by --pull from the server's memory without its CPU (one-sided), by asking it (asked), or as the connection can (any).
// push-pull: Client::PushPull; bidir: a push and a pull at the same time; incast: bench/peer/incast.h, with --workers of them.

#ifndef TIDEWAY_BENCH_PEER_PEER_H_
#define TIDEWAY_BENCH_PEER_PEER_H_

namespace bench {

// `argv[1]` is the role, its options follow. Returns the process's exit status; errors go to stderr.
int PeerMain(int argc, char** argv);

}  // namespace bench

#endif  // TIDEWAY_BENCH_PEER_PEER_H_
