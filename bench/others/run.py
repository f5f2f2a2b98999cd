#!/usr/bin/python3
"""Measures Tideway beside other libraries that carry messages: the same push and pull, in turn, in the same run.

  scripts/install-packages others
  cmake --preset release && cmake --build build/release --target bench_others tideway_peer
  bench/others/run.py --bin build/release/bin --out bench/results/others.json
  bench/others/run.py --bin build/release/bin --only push --size 67108864 --rounds 3

Every round runs all of them one after the other, each as a fresh pair of processes that warms up and is then measured for --seconds.
All data is verified. A library whose program was not built is left out, and named.
"""

import argparse
import json
import os
import statistics
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(ROOT, "bench"), os.path.join(ROOT, "bench", "interconnect")]
import machine  # noqa: E402
import markdown_table  # noqa: E402
from program import Failed, measure_pair, options  # noqa: E402

CONGESTION = ("cubic", "reno")  # the first that is allowed
CHUNK_BYTES = 1 << 20  # what these libraries are quickest with
SIZES = (4 << 10, 256 << 10, 4 << 20, 64 << 20, 256 << 20)
MPIRUN = ["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", "2"]
# name: (program, address or None for a library that has its own, what starts the client, whether it may use shared memory)
CONTENDERS = {
    "Tideway tcp": ("tideway_peer", "tcp://127.0.0.1:0", [], False),
    "ZeroMQ": ("other_zeromq", None, [], False),
    "gRPC stream": ("other_grpc", None, [], False),
    "Gloo": ("other_gloo", None, [], False),
    "TensorPipe uv": ("other_tensorpipe_uv", None, [], False),
    "Tideway ucx/sm": ("tideway_peer", "ucx://127.0.0.1:0?tls=sm", [], True),
    "Open MPI one-sided": ("other_mpi", None, MPIRUN, True),
    "TensorPipe shm": ("other_tensorpipe_shm", None, [], True),
}
OURS = {False: "Tideway tcp", True: "Tideway ucx/sm"}


def run_one(arguments, name, form, size):
    program, uri, starter, _ = CONTENDERS[name]
    path = os.path.join(arguments.bin, program)
    if uri:
        flags = options(form=form, bytes=size)
        return measure_pair([path, "server", f"--uri={uri}", *flags],
                            lambda a: [path, "client", f"--uri={a}", *flags], arguments.seconds)
    flags = options(form=form, bytes=size, chunk=min(size, CHUNK_BYTES))
    return measure_pair([path, "server", *flags],
                        lambda a: [*starter, path, "client", f"--address={a}", *flags],
                        arguments.seconds)


def measure(arguments, names, form, size):
    """One row: the rounds of every contender, their medians, and how Tideway over the same kind of wire compares."""
    rounds = {name: [] for name in names}
    failed = {}  # by contender: the others are measured all the same
    for number in range(arguments.rounds):
        for name in names if number % 2 == 0 else reversed(names):
            print(f"{form} {size} bytes, round {number + 1}/{arguments.rounds}: {name}",
                  file=sys.stderr, flush=True)
            if name in failed:
                continue
            try:
                rounds[name].append(run_one(arguments, name, form, size))
            except (Failed, OSError) as error:
                if name in OURS.values():
                    raise
                failed[name] = str(error)
                print(f"failed: {form} {size}: {name}: {error}", file=sys.stderr)
    contenders = {}
    for name in [name for name in names if name not in failed]:
        ratios = [mine["goodput_gbytes_per_s"] / theirs["goodput_gbytes_per_s"]
                  for mine, theirs in zip(rounds[OURS[CONTENDERS[name][3]]], rounds[name])]
        contenders[name] = {
            **{key: statistics.median(one[key] for one in rounds[name]) for key in rounds[name][0]},
            "tideway_ratio": statistics.median(ratios),
            "tideway_ratio_spread": [min(ratios), max(ratios)],
            "rounds": rounds[name]}
    return {"form": form, "size_bytes": size, "contenders": contenders, "failed": failed}


def size_text(size):
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"


def table(results):
    names = [name for name in CONTENDERS if any(name in row["contenders"] for row in results)]
    rows = []
    for row in results:
        cells = [f"{row['form']} {size_text(row['size_bytes'])}"]
        for name in names:
            one = row["contenders"].get(name)
            if one is None:
                cells.append("")
            elif name in OURS.values():
                cells.append(f"{one['goodput_gbytes_per_s']:.2f}")
            else:
                cells.append(f"{one['goodput_gbytes_per_s']:.2f} ({one['tideway_ratio']:.2f})")
        rows.append(cells)
    return markdown_table.text([["GB/s (Tideway divided by it)", *names], *rows])


def parse():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, help="folder of the built programs")
    parser.add_argument("--out", help="write JSON here")
    parser.add_argument("--only", default="push,pull", help="push, pull or both, with a comma")
    parser.add_argument("--size", type=int, action="append", help="bytes; may be given again")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.4)
    arguments = parser.parse_args()
    for form in arguments.only.split(","):
        if form not in ("push", "pull"):
            parser.error(f"no form {form}; there are push and pull")
    return arguments


def main():
    machine.enter_namespace(CONGESTION)
    arguments = parse()
    built = {name: os.path.exists(os.path.join(arguments.bin, CONTENDERS[name][0]))
             for name in CONTENDERS}
    for name in [name for name in CONTENDERS if not built[name]]:
        print(f"{name} is left out: build the target {CONTENDERS[name][0]}", file=sys.stderr)
    names = [name for name in CONTENDERS if built[name]]
    if not all(built[name] for name in OURS.values()):
        return 1
    about = {"machine": machine.describe(ROOT), "congestion_control": machine.congestion(),
             "rounds": arguments.rounds, "seconds": arguments.seconds}
    results, failed = [], {}
    for form in arguments.only.split(","):
        for size in arguments.size or SIZES:
            try:
                results.append(measure(arguments, names, form, size))
            except (Failed, OSError) as error:
                failed[f"{form} {size}"] = str(error)
                print(f"failed: {form} {size}: {error}", file=sys.stderr)
            if arguments.out:  # after every row, so that a run that is cut short leaves what it has
                with open(arguments.out, "w") as file:
                    json.dump({**about, "results": results, "failed": failed}, file, indent=1)
                    file.write("\n")
    print(table(results))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
