#!/usr/bin/python3
"""The tables of docs/benchmarks.md, made from the run that stands beside it, so that no figure there is typed.

  bench/result_tables.py            # writes them anew from bench/results/benchmarks.json
  bench/result_tables.py --check    # exit status 1 if they are not what the run says

A table stands between <!-- table NAME --> and <!-- end -->.
"""

import argparse
import json
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path.insert(0, HERE)
import markdown_table  # noqa: E402

RUN = os.path.join(HERE, "results", "benchmarks.json")
PAGE = os.path.join(ROOT, "docs", "benchmarks.md")
LARGE = (4 << 20, 64 << 20)


def size_text(size):
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"


def interval_text(interval, digits=2):
    return f"{interval[0]:.{digits}f}-{interval[1]:.{digits}f}"


def beside_raw(results):
    rows = [["case", "Tideway", "raw", "ratio", "its interval", "CPU ratio"]]
    for one in results:
        is_latency = one["subcommand"] == "latency"
        wanted = is_latency or (one["subcommand"] in ("push", "pull", "push-pull") and one["size_bytes"] in LARGE)
        if "raw" not in one or not wanted:
            continue
        def figure(of):
            return (f"{of['latency_us']['p50']:.1f} us" if is_latency
                    else f"{of['goodput_gbytes_per_s']:.2f} GB/s")
        rows.append([f"{one['subcommand']} {size_text(one['size_bytes'])}, {one['transport']}", figure(one),
                     figure(one["raw"]), f"{one['ratio_to_raw']:.2f}", interval_text(one["ratio_to_raw_interval"]),
                     f"{one['cpu_ratio_to_raw']:.2f}"])
    return rows


def stages(results):
    rows = []
    for one in results:
        if "breakdown" not in one or one["codec"] not in ("identity", "int8"):
            continue
        parts = one["breakdown"]["stages"]
        if not rows:
            rows.append([f"{size_text(one['size_bytes'])} over", *[f"`{part['stage']}`" for part in parts],
                         "whole push"])
        rows.append([f"{one['transport']}, `{one['codec']}`",
                     *[f"{part['p50_us']:.0f} us ({100 * part['of_push']:.0f} %)" for part in parts],
                     f"{one['breakdown']['push_p50_us'] / 1000:.1f} ms"])
    return rows


def codecs(results):
    rows = [["codec", "encode", "with error feedback", "decode-add", "bytes per fp32 byte"]]
    for one in results:
        if one["subcommand"] == "codec":
            rows.append([f"`{one['codec']}`",
                         *[f"{one[key]['gbytes_per_s']:.1f} GB/s ({one[key]['ratio_to_memcpy']:.2f})"
                           for key in ("encode", "encode_feedback", "decode_add")],
                         f"{one['bytes_per_fp32_byte']:.4f}"])
    return rows


def links(results, crossover):
    by_link = {}
    for one in results:
        if "link" in one:
            by_link.setdefault(one["link"], {})[one["codec"]] = one["goodput_gbytes_per_s"]
    names = list(next(iter(by_link.values())))
    rows = [["link", *[f"`{name}`" for name in names], "quickest"]]
    quickest = {one["link"]: one for one in crossover}
    for link, speeds in by_link.items():
        others = ", ".join(f"`{name}`" for name in quickest[link]["not_told_apart"])
        rows.append([link, *[f"{speeds[name]:.3g}" for name in names],
                     f"`{quickest[link]['codec']}`" + (f" (not told apart: {others})" if others else "")])
    return rows


def training(results):
    of_training = [one for one in results if one["subcommand"] == "train-step"]
    rows = [[f"{of_training[0]['parameters']:,} parameters over", "H", "utilisation", "its interval",
             "steps slower by", "exchange"]]
    for one in of_training:
        rows.append([f"{one['transport']}, `{one['codec']}`", str(one["inner_steps"]), f"{one['utilisation']:.3f}",
                     interval_text(one["utilisation_interval"], 3), f"{100 * one['slowdown']:.1f} %",
                     f"{one['latency_us']['p50'] / 1000:.0f} ms"])
    return rows


def incast(results):
    rows = [["workers", "together", "its interval", "small push p50", "p99"]]
    for one in results:
        if one["subcommand"] == "incast":
            small = one["small_push_latency_us"]
            rows.append([str(one["workers"]), f"{one['goodput_gbytes_per_s']:.2f} GB/s",
                         interval_text(one["goodput_interval"]), f"{small['p50']:.0f} us",
                         f"{small['p99'] / 1000:.1f} ms"])
    return rows


def updated(page, run):
    """The page with its tables made anew."""
    results = run["results"]
    tables = {"beside-raw": beside_raw(results), "stages": stages(results), "codecs": codecs(results),
              "links": links(results, run["crossover"]), "training": training(results), "incast": incast(results)}
    for name, rows in tables.items():
        page, found = re.subn(rf"(<!-- table {name} -->\n).*?(\n<!-- end -->)",
                              lambda match, rows=rows: match[1] + markdown_table.text(rows) + match[2],
                              page, flags=re.DOTALL)
        if found != 1:
            sys.exit(f"{PAGE} has {found} places for the table {name}; one is wanted")
    return page


def update(check=False):
    """Whether the page was right already."""
    with open(RUN, encoding="utf-8") as file:
        run = json.load(file)
    with open(PAGE, encoding="utf-8") as file:
        before = file.read()
    after = updated(before, run)
    if not check:
        with open(PAGE, "w", encoding="utf-8") as file:
            file.write(after)
    return before == after


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    right = update(arguments.check)
    if arguments.check and not right:
        sys.exit(f"the tables of {os.path.relpath(PAGE)} are not those of {os.path.relpath(RUN)}; run "
                 "bench/result_tables.py")


if __name__ == "__main__":
    main()
