"""The `tideway` program as its users run it.

  tideway_tool_test.py --bin build/dev/bin
"""

import argparse
import json
import os
import subprocess
import sys
import unittest

BIN = None
LIMIT_S = 120  # only a hang takes this long


def tideway(*words):
    return subprocess.run([os.path.join(BIN, "tideway"), *words], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=LIMIT_S)


class TransportsTest(unittest.TestCase):

    def listing(self, *flags):
        answer = tideway("transports", "--json", *flags)
        self.assertEqual(answer.returncode, 0, answer.stderr)
        listing = json.loads(answer.stdout)
        return {row["provider"]: row for row in listing["providers"]}

    def test_json_lists_every_provider_as_viable_or_with_a_reason(self):
        rows = self.listing()
        self.assertTrue(rows["tcp"]["viable"])
        self.assertEqual(rows["tcp"]["address"], "tcp://HOST:PORT")
        for row in rows.values():
            self.assertEqual(row["viable"], row["reason"] == "", row)

    def test_the_table_has_every_provider_and_every_reason(self):
        answer = tideway("transports")
        self.assertEqual(answer.returncode, 0, answer.stderr)
        lines = answer.stdout.split("\n")
        for name, row in self.listing().items():
            mine = [line for line in lines if line.split()[:1] == [name]]
            self.assertTrue(mine, name)
            self.assertTrue(mine[0].endswith("yes" if row["viable"] else "no: " + row["reason"]))

    def test_measure_gives_positive_figures_for_every_provider_that_is_viable(self):
        names = [name for name, row in self.listing().items()
                 if row["viable"] and row["capabilities"]["real_time"]]
        rows = self.listing("--measure", "--seconds", "0.2", "--only", ",".join(names))
        self.assertEqual(sorted(rows), sorted(names))
        self.assertIn("tcp", rows)
        for name, row in rows.items():
            measured = row["measured"]
            self.assertGreater(measured["round_trip_us_median"], 0, name)
            self.assertGreaterEqual(measured["round_trip_us_p99"],
                                    measured["round_trip_us_median"], name)
            self.assertGreater(measured["bandwidth_gb_per_s"], 0, name)

    def test_measure_prints_figures_to_stdout_and_progress_to_stderr(self):
        answer = tideway("transports", "--measure", "--seconds", "0.1", "--only", "tcp")
        self.assertEqual(answer.returncode, 0, answer.stderr)
        self.assertEqual(answer.stderr, "measuring tcp (1 of 1)\n")
        self.assertIn("round trip us", answer.stdout)
        self.assertIn("both ends in this process", answer.stdout)

    def test_an_unknown_provider_is_refused_with_a_list_of_those_that_exist(self):
        answer = tideway("transports", "--only", "carrier-pigeon")
        self.assertEqual(answer.returncode, 2)
        self.assertEqual(answer.stdout, "")
        self.assertIn("carrier-pigeon", answer.stderr)
        for name in self.listing():
            self.assertIn(name, answer.stderr)

    def test_a_measurement_that_fails_says_why(self):
        # 192.0.2.1 belongs to documentation and to no host.
        answer = tideway("transports", "--measure", "--only", "tcp", "--host", "192.0.2.1")
        self.assertEqual(answer.returncode, 1)
        self.assertIn("192.0.2.1", answer.stderr)


class ProgramTest(unittest.TestCase):

    def test_help_has_examples(self):
        for words in (["--help"], ["transports", "--help"]):
            answer = tideway(*words)
            self.assertEqual(answer.returncode, 0)
            self.assertIn("Examples:", answer.stdout)
            self.assertIn("tideway transports --measure", answer.stdout)

    def test_an_unknown_command_is_refused_with_a_list(self):
        answer = tideway("teleport")
        self.assertEqual(answer.returncode, 2)
        self.assertIn("'teleport'", answer.stderr)
        self.assertIn("transports", answer.stderr)

    def test_no_command_is_answered_with_the_usage(self):
        answer = tideway()
        self.assertEqual(answer.returncode, 2)
        self.assertIn("Usage: tideway COMMAND", answer.stderr)

    def test_the_version_is_that_of_the_listing(self):
        version = tideway("--version").stdout.split()[-1]
        self.assertEqual(json.loads(tideway("transports", "--json").stdout)["version"], version)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    args, rest = parser.parse_known_args()
    BIN = os.path.abspath(args.bin)
    unittest.main(argv=[sys.argv[0]] + rest)
