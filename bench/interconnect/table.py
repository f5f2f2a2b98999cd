#!/usr/bin/python3
"""Prints a result of run.py as an aligned table, which is Markdown too: bench/interconnect/table.py RESULT.json"""

import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import markdown_table  # noqa: E402

# subcommand: (least or most, target ratio)
TARGETS = {"push": ("least", 0.90), "pull": ("least", 0.90), "latency": ("most", 1.5),
           "latency-spin": ("most", 1.5)}
IDLE_SHARE_MAX = 0.02
CPU_RATIO_MAX = 1.2
ONE_SIDED_CPU_RATIO_MAX = 0.05
HEAD = ("what", "transport", "raw", "Tideway", "ratio", "smallest to largest", "target", "CPU s/GB raw",
        "Tideway", "ratio")


def verdict(value, most_or_least, target):
    good = value >= target if most_or_least == "least" else value <= target
    sign = ">=" if most_or_least == "least" else "<="
    return f"{sign} {target:g}: {'met' if good else 'missed'}"


def size(bytes_):
    return f"{bytes_ >> 20} MiB" if bytes_ >= 1 << 20 else f"{bytes_ >> 10} KiB"


def cells(row):
    if row["subcommand"] == "idle":
        return (f"idle, {row['workers']} workers", row["transport"], "",
                f"{100 * row['cpu_share']:.2f} % of a core", "", "",
                verdict(100 * row["cpu_share"], "most", 100 * IDLE_SHARE_MAX), "", "", "")
    if row["subcommand"] == "one-sided":
        asked, read = (row[name]["cpu_s_per_gb_server"] for name in ("asked", "one_sided"))
        least, most = row["server_cpu_ratio_spread"]
        return (f"one-sided pull {size(row['size_bytes'])}: the server's CPU s/GB",
                row["transport"], f"asked: {asked:.3f}", f"{read:.4f}",
                f"{row['server_cpu_ratio']:.3f}", f"{least:.3f} to {most:.3f}",
                verdict(row["server_cpu_ratio"], "most", ONE_SIDED_CPU_RATIO_MAX), "", "", "")
    latency = row["subcommand"].startswith("latency")
    unit = "us" if latency else "GB/s"
    key = "latency_us" if latency else "goodput_gbytes_per_s"
    least, most = row["ratio_to_raw_spread"]
    name = row["subcommand"].replace("latency-spin", "latency, spinning")
    cpu = ("", "", "") if latency else (
        f"{row['raw']['cpu_s_per_gb']:.3f}", f"{row['cpu_s_per_gb']:.3f}",
        f"{row['cpu_ratio_to_raw']:.2f} ({verdict(row['cpu_ratio_to_raw'], 'most', CPU_RATIO_MAX)})")
    return (f"{name} {size(row['size_bytes'])}", row["transport"], f"{row['raw'][key]:.2f} {unit}",
            f"{row[key]:.2f} {unit}", f"{row['ratio_to_raw']:.2f}", f"{least:.2f} to {most:.2f}",
            verdict(row["ratio_to_raw"], *TARGETS[row["subcommand"]]), *cpu)


def text(results):
    return markdown_table.text([HEAD, *(cells(row) for row in results)])


if __name__ == "__main__":
    with open(sys.argv[1]) as opened:
        print(text(json.load(opened)["results"]))
