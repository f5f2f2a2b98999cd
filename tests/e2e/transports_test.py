"""The trainer over every transport that this build and machine have, as real processes.

  transports_test.py --bin build/dev/bin [--must-run tcp,ucx/sm,...] [TransportsTest | AutoTest]

A provider that can't work here is skipped with its reason; one that --must-run names fails instead.
"""

import argparse
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

import trainer_test
from trainer_test import ENOUGH, SMALL, Run, write_text

PROVIDERS = ("tcp", "ucx/tcp", "ucx/sm", "ofi+tcp", "ofi+net", "ofi+shm")
MUST_RUN = ()
# The order in which deltas are added differs from run to run, and with it the last bits.
ROUNDING = 2e-4


def usable():
    """Name -> None, or the reason why it can't be used here; as `tideway transports` tells."""
    tool = os.path.join(trainer_test.BIN, "tideway")
    listing = json.loads(subprocess.run([tool, "transports", "--json"], check=True,
                                        stdout=subprocess.PIPE, timeout=120).stdout)
    reasons = {}
    for row in listing["providers"]:
        reasons[row["provider"]] = None if row["viable"] else row["reason"]
    return {name: reasons.get(name, "this build does not have it") for name in PROVIDERS}


def parameters(path):
    """All values of a safetensors file of float32, in the order of their names."""
    with open(path, "rb") as file:
        data = file.read()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    values = []
    for name in sorted(header):
        begin, end = header[name]["data_offsets"]
        values.extend(struct.unpack_from("<%df" % ((end - begin) // 4), data, 8 + length + begin))
    return values


class Trains(unittest.TestCase):

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="tideway-transports-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        write_text(os.path.join(self.folder, "text.txt"))

    def train(self, transport, *flags):
        folder = os.path.join(self.folder, transport.replace("/", "_"))
        os.mkdir(folder)
        run = Run(folder, "--data", os.path.join(self.folder, "text.txt"), "--out", "run", *SMALL,
                  "--transport", transport, *flags)
        self.addCleanup(run.end)
        self.assertEqual(run.finish(), 0, "%s:\n%s" % (transport, run.text))
        return run


class TransportsTest(Trains):

    def each(self, test):
        for name, reason in usable().items():
            with self.subTest(transport=name):
                if reason is None:
                    test(name)
                elif name in MUST_RUN:
                    self.fail("%s may not be skipped: %s" % (name, reason))
                else:
                    print("skipped: %s: %s" % (name, reason), file=sys.stderr)

    def test_synchronous_training_ends_at_the_same_parameters_over_every_transport(self):
        results = {}

        def run_over(name):
            run = self.train(name, "--workers", "2", "--steps", "40", "--seed", "5", "--method",
                             "sync-diloco", "--codec", "identity", "--codec-down", "identity")
            self.assertLess(run.final()["held_out_loss"], run.final()["held_out_loss_before"])
            for worker in run.metrics("stats")[-1]["workers"]:
                self.assertEqual(worker["transport"], name)
            results[name] = parameters(os.path.join(run.out, "model.safetensors"))

        self.each(run_over)
        reference = results["tcp"]
        for name, values in results.items():
            self.assertEqual(len(values), len(reference))
            apart = max(abs(a - b) for a, b in zip(values, reference))
            print("%s: largest difference to tcp %.2g" % (name, apart), file=sys.stderr)
            self.assertLess(apart, ROUNDING, name)

    def test_asynchronous_training_with_its_defaults_runs_over_every_transport(self):

        def run_over(name):
            final = self.train(name, "--workers", "2", "--steps", ENOUGH).final()
            self.assertLess(final["held_out_loss"], final["held_out_loss_before"])

        self.each(run_over)


class AutoTest(Trains):
    """Measures, so it wants the machine for itself."""

    def test_auto_trains_over_shared_memory_on_one_host(self):
        run = self.train("auto", "--workers", "2", "--steps", "40")
        transports = {w["transport"] for w in run.metrics("stats")[-1]["workers"]}
        memory = [name for name in ("ucx/sm", "ofi+shm") if usable()[name] is None]
        self.assertTrue(transports <= set(memory or PROVIDERS), transports)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--must-run", default="")
    args, rest = parser.parse_known_args()
    trainer_test.BIN = os.path.abspath(args.bin)
    MUST_RUN = tuple(name for name in args.must_run.split(",") if name)
    unittest.main(argv=[sys.argv[0]] + rest)
