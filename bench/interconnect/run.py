#!/usr/bin/python3
"""Measures Tideway against raw programs that move the same bytes: alternately, in the same run.

  bench/interconnect/run.py --bin build/release/bin --out bench/results/transport_speed.json
  bench/interconnect/run.py --bin build/release/bin --transport tcp --only push,latency --rounds 3

Every round runs the raw program and Tideway one after the other, each as a fresh pair of processes that warms up and is then
measured for --seconds. A row shows the medians over the rounds; its ratio is the median of the rounds' ratios, with the smallest
and the largest. All data is verified. Which chunk the raw program moves best is tried beforehand.
"""

import argparse
import json
import os
import statistics
import sys
import time

import machine
import table
from program import Failed, Program, measure_pair, options

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MIB = 1 << 20
CHUNKS = (256 << 10, 1 << 20, 4 << 20, 64 << 20)
CONGESTION = "cubic"  # by socket option
CONGESTION_ELSEWHERE = ("cubic", "reno")  # of libraries that have no option: the first that is allowed
IDLE_WORKERS = 100
IDLE_SECONDS = 5
TRIAL_SECONDS = 0.3

# name: the raw program and its options, and the address that makes Tideway use the same. `spin`: what makes it poll.
TRANSPORTS = {
    "tcp": {"raw": "raw_sockets", "raw_options": {"congestion": CONGESTION},
            "uri": "tcp://127.0.0.1:0?congestion=" + CONGESTION, "spin": "&spin_us=1000000"},
    "ucx/tcp": {"raw": "raw_ucx", "raw_options": {"tls": "tcp"},
                "uri": "ucx://127.0.0.1:0?tls=tcp", "spin": "&spin_us=1000000"},
    "ucx/sm": {"raw": "raw_ucx", "raw_options": {"tls": "posix,cma"},
               "uri": "ucx://127.0.0.1:0?tls=sm", "spin": "&spin_us=1000000", "one_sided": True},
    "ofi+net": {"raw": "raw_libfabric", "raw_options": {"provider": "net"},
                "uri": "ofi+net://127.0.0.1:0", "spin": "?spin_us=1000000"},
    "ofi+tcp": {"raw": "raw_libfabric", "raw_options": {"provider": "tcp;ofi_rxm"},
                "uri": "ofi+tcp://127.0.0.1:0", "spin": "?spin_us=1000000"},
    "ofi+shm": {"raw": "raw_libfabric", "raw_options": {"provider": "shm"},
                "uri": "ofi+shm://127.0.0.1:0", "spin": "?spin_us=1000000", "one_sided": True},
}
# name: (what is moved, bytes, how both ends wait)
ROWS = {
    "push": ("push", 64 * MIB, "block"),
    "pull": ("pull", 64 * MIB, "block"),
    "latency": ("push", 4096, "block"),
    "latency-spin": ("push", 4096, "spin"),
}


class Bench:
    def __init__(self, arguments, transport):
        self.arguments = arguments
        self.name = transport
        self.transport = TRANSPORTS[transport]

    def path(self, program):
        return os.path.join(self.arguments.bin, program)

    def raw(self, form, size, wait, chunk, seconds):
        flags = options(form=form, bytes=size, wait=wait, chunk=chunk,
                        **self.transport["raw_options"])
        program = self.path(self.transport["raw"])
        return measure_pair([program, "server", *flags],
                            lambda a: [program, "client", f"--address={a}", *flags], seconds)

    def tideway(self, form, size, wait, seconds, pull=None):
        uri = self.transport["uri"] + (self.transport["spin"] if wait == "spin" else "")
        flags = options(form=form, bytes=size, fragment=self.arguments.fragment, pull=pull)
        program = self.path("tideway_peer")
        return measure_pair([program, "server", f"--uri={uri}", *flags],
                            lambda a: [program, "client", f"--uri={a}", *flags], seconds)

    def best_chunk(self, form, size, wait):
        """The chunk with which the raw program is quickest."""
        chunks = sorted({min(chunk, size) for chunk in CHUNKS})
        if len(chunks) == 1:
            return chunks[0]
        speed = {chunk: self.raw(form, size, wait, chunk, TRIAL_SECONDS)["goodput_gbytes_per_s"]
                 for chunk in chunks}
        return max(speed, key=speed.get)

    def row(self, subcommand):
        form, size, wait = ROWS[subcommand]
        chunk = self.best_chunk(form, size, wait)
        raw, ours = [], []
        for number in range(self.arguments.rounds):
            raw.append(self.raw(form, size, wait, chunk, self.arguments.seconds))
            ours.append(self.tideway(form, size, wait, self.arguments.seconds))
            progress(f"{subcommand} {self.name} {number + 1}/{self.arguments.rounds}")
        return {"subcommand": subcommand, "transport": self.name, "size_bytes": size,
                "codec": "identity", "wait": wait, "raw_program": self.transport["raw"],
                "raw_chunk_bytes": chunk, **summary(subcommand, raw, ours)}

    def one_sided(self):
        """The server's CPU for pulls from its memory, against that for pulls that it answers."""
        asked, read = [], []
        for number in range(self.arguments.rounds):
            asked.append(self.tideway("pull", 64 * MIB, "block", self.arguments.seconds, "asked"))
            read.append(self.tideway("pull", 64 * MIB, "block", self.arguments.seconds,
                                     "one-sided"))
            progress(f"one-sided {self.name} {number + 1}/{self.arguments.rounds}")
        key = "cpu_s_per_gb_server"
        ratios = [one[key] / other[key] for one, other in zip(read, asked)]
        return {"subcommand": "one-sided", "transport": self.name, "size_bytes": 64 * MIB,
                "asked": {name: median(asked, name) for name in asked[0]},
                "one_sided": {name: median(read, name) for name in read[0]},
                "server_cpu_ratio": statistics.median(ratios),
                "server_cpu_ratio_spread": [min(ratios), max(ratios)]}

    def measure(self, subcommand):
        if subcommand == "idle":
            return self.idle()
        return self.one_sided() if subcommand == "one-sided" else self.row(subcommand)

    def idle(self):
        """The server's share of a core while workers are connected and do nothing."""
        program = self.path("tideway_peer")
        flags = options(bytes=4096, workers=IDLE_WORKERS)
        with Program([program, "server", f"--uri={self.transport['uri']}", *flags]) as server:
            address = server.answer()["address"]
            with Program([program, "idle", f"--uri={address}", *flags]) as workers:
                workers.answer()
                progress(f"idle {self.name}")
                time.sleep(1)  # what the joining left behind
                before, start = server.ask("cpu")["cpu_s"], time.monotonic()
                time.sleep(IDLE_SECONDS)
                used, took = server.ask("cpu")["cpu_s"] - before, time.monotonic() - start
        return {"subcommand": "idle", "transport": self.name, "workers": IDLE_WORKERS,
                "cpu_share": used / took}


def median(runs, key):
    return statistics.median(run[key] for run in runs)


def summary(subcommand, raw, ours):
    key = "latency_us" if subcommand.startswith("latency") else "goodput_gbytes_per_s"

    def ratio(name):
        return [one[name] / other[name] for one, other in zip(ours, raw)]

    ratios = ratio(key)
    return {
        **{name: median(ours, name) for name in ours[0]},
        "raw": {name: median(raw, name) for name in raw[0]},
        "ratio_to_raw": statistics.median(ratios),
        "ratio_to_raw_spread": [min(ratios), max(ratios)],
        "cpu_ratio_to_raw": statistics.median(ratio("cpu_s_per_gb")),
        "rounds": [{"raw": a, "tideway": b} for a, b in zip(raw, ours)],
    }


def progress(text):
    print(f"\r\033[K{text}" if sys.stderr.isatty() else text, end="\r" if sys.stderr.isatty()
          else "\n", file=sys.stderr, flush=True)


def parse():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, help="folder of the built programs")
    parser.add_argument("--out", help="write JSON here")
    parser.add_argument("--transport", default=",".join(TRANSPORTS), help="a list, with commas")
    parser.add_argument("--only", default=",".join([*ROWS, "one-sided", "idle"]), help="a list, with commas")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--fragment", type=int, help="bytes; Tideway's default where not given")
    arguments = parser.parse_args()
    for name in arguments.transport.split(","):
        if name not in TRANSPORTS:
            parser.error(f"no transport {name}; there are {', '.join(TRANSPORTS)}")
    return arguments


def write(arguments, about, results, skipped):
    """After every row, so that a run that is cut short leaves what it has."""
    if not arguments.out:
        return
    with open(arguments.out, "w") as file:
        json.dump({**about, "results": results, "skipped": skipped}, file, indent=1)
        file.write("\n")


def main():
    machine.enter_namespace(CONGESTION_ELSEWHERE)
    arguments = parse()
    about = {"machine": machine.describe(ROOT),
             "congestion_control": {"tcp": CONGESTION, "libraries": machine.congestion()},
             "rounds": arguments.rounds, "seconds": arguments.seconds}
    results, skipped = [], {}
    for transport in arguments.transport.split(","):
        bench = Bench(arguments, transport)
        for subcommand in arguments.only.split(","):
            if subcommand == "one-sided" and not TRANSPORTS[transport].get("one_sided"):
                continue
            try:
                results.append(bench.measure(subcommand))
            except (Failed, OSError) as error:
                skipped[f"{subcommand} {transport}"] = str(error)
                print(f"skipped {subcommand} {transport}: {error}", file=sys.stderr)
            write(arguments, about, results, skipped)
    print(table.text(results))
    return 0 if results else 1


if __name__ == "__main__":
    sys.exit(main())
