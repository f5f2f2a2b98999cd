#!/usr/bin/env python3
"""Makes the tables of docs/codecs.md from what bench_codecs wrote.

  build/release/bin/bench_codecs --benchmark_format=json --benchmark_repetitions=3 > codecs.json
  bench/codec_table.py codecs.json
"""

import json
import statistics
import sys

import markdown_table

KINDS = ("Encode", "EncodeWithFeedback", "DecodeAdd")


def rates(results):
    """Median GB/s of fp32 delta by case, and the compression ratio where the case has one."""
    seen, ratios = {}, {}
    for case in results["benchmarks"]:
        if case.get("run_type") == "aggregate" or "bytes_per_second" not in case:
            continue
        name = case.get("run_name", case["name"])
        seen.setdefault(name, []).append(case["bytes_per_second"] / 1e9)
        if "ratio" in case:
            ratios[name] = case["ratio"]
    return {name: statistics.median(values) for name, values in seen.items()}, ratios


def rows_of_codecs(rate, ratios):
    memcpy = rate["Memcpy"]
    specs = []
    for name in sorted(rate):
        kind, _, spec = name.partition("/")
        if kind in KINDS and "threads:" not in spec and spec not in specs:
            specs.append(spec)
    for spec in specs:
        row = [f"`{spec}`", f"{ratios.get('Encode/' + spec, 0):.2f}"]
        for kind in KINDS:
            value = rate.get(f"{kind}/{spec}")
            row.append("" if value is None else f"{value:.2f} ({value / memcpy:.2f})")
        yield row


def rows_of_threads(rate):
    for name, value in sorted(rate.items()):
        if name.endswith("/threads:2"):
            alone = rate[name.replace("/threads:2", "/threads:1")]
            yield [name.split("/real_time")[0], f"{alone:.2f}", f"{value:.2f}", f"{value / alone:.2f}"]


def rows_of_others(rate):
    for name, value in sorted(rate.items()):
        if name.partition("/")[0] in ("Memcpy", "DenseAdd", "TorchTopk", "EncodeDifference", "ApplyDifference"):
            if "threads:" not in name:
                yield [f"`{name}`", f"{value:.3f}", f"{value / rate['Memcpy']:.3f}"]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        rate, ratios = rates(json.load(file))
    print(markdown_table.text([["codec", "times smaller", *(f"{kind}, GB/s (of memcpy)" for kind in KINDS)],
                               *rows_of_codecs(rate, ratios)]))
    print()
    print(markdown_table.text([["case", "GB/s", "of memcpy"], *rows_of_others(rate)]))
    print()
    print(markdown_table.text([["case", "one thread, GB/s", "two threads", "ratio"],
                               *rows_of_threads(rate)]))


if __name__ == "__main__":
    main()
