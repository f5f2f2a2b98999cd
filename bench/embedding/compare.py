#!/usr/bin/python3
"""What Python costs: pushes and pulls of numpy arrays and torch tensors against the same calls in C++, one after the other in turns.

    bench/embedding/compare.py [--build build/release] [--turns 7]

Prints medians over the turns: at 64 MiB the throughput and its ratio to C++, at 4 KiB how many microseconds a call takes more.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SIZES = ((64 << 20, 12), (4096, 2000))  # bytes, rounds


def measure(command, build):
    environment = dict(os.environ, PYTHONPATH=os.path.join(build, "python"))
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", default=os.path.join(HERE, "..", "..", "build", "release"))
    parser.add_argument("--turns", type=int, default=7)
    args = parser.parse_args()
    faces = {"C++": [os.path.join(args.build, "bin", "bench_embedding_loop")]}
    for kind in ("numpy", "torch"):
        faces[kind] = ["/usr/bin/python3", os.path.join(HERE, "loop.py")]
    for size, rounds in SIZES:
        taken = {face: {"push": [], "pull": []} for face in faces}
        for _ in range(args.turns):
            for face, command in faces.items():
                extra = [] if face == "C++" else [face]
                got = measure([*command, str(size), str(rounds), *extra], args.build)
                for way, seconds in got.items():
                    taken[face][way].append(seconds)
        for way in ("push", "pull"):
            base = statistics.median(taken["C++"][way])
            for face in faces:
                seconds = statistics.median(taken[face][way])
                print(f"{size:>9} bytes  {way}  {face:>5}: {seconds * 1e6:10.1f} us a call, "
                      f"{size / seconds / 1e9:6.3f} GB/s, {base / seconds:5.3f} of C++, "
                      f"{(seconds - base) * 1e6:+.1f} us", flush=True)


if __name__ == "__main__":
    main()
