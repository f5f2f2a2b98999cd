#!/usr/bin/python3
"""How long a push takes over a slow link, by codec, against identity: does encoding hide behind the wire?

  bench/interconnect/shaped_push.py --bin build/release/bin --rate 1gbit --out bench/results/shaped_push.json
  bench/interconnect/shaped_push.py --bin build/release/bin --rate none      # the veth pair as quick as it is

Worker and server run in two network namespaces that this makes (as root), joined by a veth pair whose worker's end is shaped with
tbf. In each round every codec has its turn, with a fresh pair of processes; what was applied and the residual are checked to be what was
pushed.
"""

import argparse
import json
import os
import statistics
import sys

import machine
from program import measure_pair, options

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "tests", "e2e"), os.path.join(ROOT, "bench")]
import markdown_table  # noqa: E402
from namespaces import SERVER_ADDRESS, Namespaces  # noqa: E402

CODECS = ("identity", "bf16", "int8", "int4", "topk:density=0.01,values=int8")


def inside(namespace, command):
    return ["ip", "netns", "exec", namespace, *command]


def measure(arguments, hosts, codec):
    peer = os.path.join(arguments.bin, "tideway_peer")
    flags = options(form="push", bytes=arguments.bytes, codec=codec)
    server = inside(hosts.server, [peer, "server", f"--uri=tcp://{SERVER_ADDRESS}:0", *flags])
    return measure_pair(server, lambda address: inside(
        hosts.worker, [peer, "client", f"--uri={address}", *flags]), arguments.seconds)


def parse():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, help="folder of the built programs")
    parser.add_argument("--out", help="write JSON here")
    parser.add_argument("--rate", default="1gbit", help="as tc writes it, or none")
    parser.add_argument("--bytes", type=int, default=64 << 20, help="of a push, as fp32")
    parser.add_argument("--codec", action="append", help="instead of the usual ones; may be repeated")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    return parser.parse_args()


def main():
    arguments = parse()
    codecs = arguments.codec or CODECS
    hosts = Namespaces()
    try:
        if hosts.reason:
            sys.exit(hosts.reason)
        if arguments.rate != "none":
            hosts.shape(arguments.rate)
        rounds = []
        for number in range(arguments.rounds):
            rounds.append({codec: measure(arguments, hosts, codec) for codec in codecs})
            print(f"round {number + 1}/{arguments.rounds}", file=sys.stderr)
    finally:
        hosts.close()
    results = []
    rows = [["codec", "seconds per push", "of identity's", "smallest to largest"]]
    for codec in codecs:
        times = [arguments.bytes / 1e9 / one[codec]["goodput_gbytes_per_s"] for one in rounds]
        base = [arguments.bytes / 1e9 / one[codecs[0]]["goodput_gbytes_per_s"] for one in rounds]
        ratios = [time / other for time, other in zip(times, base)]
        results.append({"codec": codec, "seconds_per_push": statistics.median(times),
                        "ratio": statistics.median(ratios), "ratio_spread": [min(ratios), max(ratios)],
                        "cpu_s_per_gb": statistics.median(one[codec]["cpu_s_per_gb"] for one in rounds)})
        rows.append([f"`{codec}`", f"{results[-1]['seconds_per_push']:.4f}",
                     f"{results[-1]['ratio']:.4f}", f"{min(ratios):.4f} to {max(ratios):.4f}"])
    print(markdown_table.text(rows))
    if arguments.out:
        with open(arguments.out, "w", encoding="utf-8") as file:
            json.dump({"machine": machine.describe(ROOT), "rate": arguments.rate,
                       "size_bytes": arguments.bytes, "transport": "tcp", "subcommand": "push",
                       "results": results}, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main()
