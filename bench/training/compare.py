#!/usr/bin/python3
"""Trains the same model in several ways, as real processes, and prints the tables of docs/training.md.

  bench/training/compare.py --bin build/release/bin --data build/data/kjv.txt --out build/compare
  bench/training/compare.py --bin ... --data ... --out ... --only slow --steps 500     a quick look

Runs one arm after the other, so that each has the machine to itself. An arm that is there already (its folder in
--out is complete) is not run again: delete the folder to have it anew.
"""

import argparse
import json
import os
import re
import subprocess
import sys

import loss_against_bytes

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import markdown_table  # noqa: E402

# name: (group, share of --steps, flags)
ARMS = {
    "sync-diloco": ("slow", 1, ["--slow", "1,3", "--method", "sync-diloco"]),
    "async, equal local updates": ("slow", 1, ["--slow", "1,3"]),
    "async, 1.5 times as many": ("slow", 1.5, ["--slow", "1,3"]),
    "1 worker": ("workers", 1, ["--workers", "1"]),
    "2 workers": ("workers", 1, []),
    "identity": ("codec", 1, ["--codec", "identity"]),
    "int8:block=256": ("codec", 1, ["--codec", "int8:block=256"]),
    **{f"{codec}{', no error feedback' if dropped else ''}":
       ("codecs", 0.5, ["--outer", "sgd:lr=0.7", "--inner-steps", "5", "--codec", codec,
                        *(["--no-error-feedback"] if dropped else [])])
       for codec, both in (("identity", False), ("bf16", False), ("int8", True), ("int4", True),
                           ("topk:density=0.01,values=int8", True),
                           ("topk:density=0.001,values=int8", True))
       for dropped in ((False, True) if both else (False,))},
    "dense": ("slow-link", 1, ["--outer", "sgd:lr=0.7", "--codec", "identity"]),
    "slow-link preset": ("slow-link", 1, ["--preset", "slow-link"]),
}
TITLES = {
    "slow": "The second worker three times slower",
    "workers": "Two asynchronous workers against one, the same inner steps per worker",
    "codec": "Compression of deltas",
    "codecs": "Codecs, with error feedback and without (outer SGD, H = 5)",
    "slow-link": "Slow links: outer SGD, dense and with top-k 1 %",
}


def read_metrics(folder):
    with open(os.path.join(folder, "metrics.jsonl")) as file:
        return [json.loads(line) for line in file]


def complete(folder):
    try:
        return any(m["kind"] == "final" for m in read_metrics(folder))
    except (FileNotFoundError, ValueError):
        return False


def run_arm(arguments, name, share, flags):
    folder = os.path.join(arguments.out, re.sub(r"[^a-z0-9.]+", "-", name))
    if not complete(folder):
        command = [os.path.join(arguments.bin, "tideway-train"), "--data", arguments.data, "--out",
                   folder, "--steps", str(round(share * arguments.steps)), "--seed", str(arguments.seed),
                   "--eval-seconds", "5", "--plain", *flags]
        print(" ".join(command), file=sys.stderr, flush=True)
        subprocess.run(command, check=True, stdout=sys.stderr)
    return read_metrics(folder)


def time_to(metrics, loss):
    """Seconds until the held-out loss, as measured along the way, was at most `loss`."""
    for m in metrics:
        if m["kind"] == "evaluation" and m["held_out_loss"] <= loss:
            return m["seconds"]
    return None


def report(group, results):
    baseline = results[0][1]
    target = [m for m in baseline if m["kind"] == "evaluation"][-1]["held_out_loss"]
    rows = [["arm", "held-out loss", "perplexity", "local updates", "seconds",
             "seconds to the first arm's final loss", "bytes up", "fp32 / bytes up", "staleness"]]
    for name, metrics in results:
        final = [m for m in metrics if m["kind"] == "final"][-1]
        reached = time_to(metrics, target)
        rows.append([name, "%.4f" % final["held_out_loss"], "%.3f" % final["held_out_perplexity"],
                     str(final["steps"]), "%.0f" % final["seconds"],
                     "-" if reached is None else "%.0f" % reached,
                     "%.1f MB" % (final["bytes_up"] / 1e6),
                     "%.1f" % (final["bytes_up_fp32"] / max(1, final["bytes_up"])),
                     "mean %.2f, max %d" % (final["staleness_mean"], final["staleness_max"])])
    print("### %s\n\n%s\n" % (TITLES[group], markdown_table.text(rows)), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, help="folder of tideway-train")
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--steps", type=int, default=2000, help="inner steps per worker")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=list(TITLES), help="one group of arms")
    parser.add_argument("--picture", help="write the codecs' losses against bytes up here, as SVG")
    arguments = parser.parse_args()
    os.makedirs(arguments.out, exist_ok=True)
    for group in TITLES:
        if arguments.only not in (None, group):
            continue
        results = [(name, run_arm(arguments, name, share, flags))
                   for name, (g, share, flags) in ARMS.items() if g == group]
        report(group, results)
        if group == "codecs" and arguments.picture:
            loss_against_bytes.draw(results, arguments.picture)


if __name__ == "__main__":
    main()
