#!/usr/bin/env python3
"""Makes the table of docs/weight_sync.md from what bench_weight_sync wrote.

  build/release/bin/bench_weight_sync > weight_sync.json
  bench/weight_sync_table.py weight_sync.json
"""

import json
import statistics
import sys

import markdown_table

HEAD = ["subscribers", "encode threads", "encode", "of memcpy", "bytes", "of the model", "install", "until all have it"]


def milliseconds(values):
    return f"{statistics.median(values) * 1000:.0f} ms" if values else ""


def rows(results):
    model = results["model_bytes"]
    memcpy = statistics.median(s for case in results["cases"] for s in case["memcpy_s"])
    for case in results["cases"]:
        encode = statistics.median(case["encode_s"])
        sent = statistics.median(case["bytes"])
        yield [str(case["subscribers"]), str(case["encode_threads"] or results["cores"]),
               f"{model / encode / 1e9:.1f} GB/s", f"{memcpy / encode:.2f}", f"{sent / 1e6:.2f} MB",
               f"{100 * sent / model:.2f} %", milliseconds(case["install_s"]),
               milliseconds(case["arrival_s"]) if case["subscribers"] else ""]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        results = json.load(file)
    if not all(case["equal"] for case in results["cases"]):
        sys.exit("a subscriber did not have the published weights: the figures mean nothing")
    memcpy = statistics.median(s for case in results["cases"] for s in case["memcpy_s"])
    print(f"memcpy: {results['model_bytes'] / memcpy / 1e9:.1f} GB/s\n")
    print(markdown_table.text([HEAD] + list(rows(results))))


if __name__ == "__main__":
    main()
