#!/usr/bin/python3
"""Runs both ends of rdma_check on this host, over TCP: what tests/rdma/run relies on between two machines.

    tests/rdma/rdma_check_test.py RDMA_CHECK
"""

import subprocess
import sys
import unittest

PROGRAM = ""
PATIENCE_S = 120


class RdmaCheck(unittest.TestCase):

    def run_both(self, check):
        """Returns (server's exit status, client's exit status, client's output)."""
        with subprocess.Popen([PROGRAM, "serve", check, "tcp://127.0.0.1:0"], text=True,
                              stdout=subprocess.PIPE) as server:
            uri = server.stdout.readline().removeprefix("listens at ").strip()
            client = subprocess.run([PROGRAM, "try", check, uri], text=True, timeout=PATIENCE_S,
                                    stdout=subprocess.PIPE, check=False)
            server.communicate(timeout=PATIENCE_S)
        return server.returncode, client.returncode, client.stdout

    def test_messages_pass_over_tcp_and_their_bytes_are_counted(self):
        served, tried, output = self.run_both("messages")
        self.assertEqual((served, tried), (0, 0), output)
        self.assertRegex(output, r"(?m)^detail transport=tcp$")
        self.assertRegex(output, r"(?m)^payload bytes [1-9]\d+$")

    def test_the_sum_passes_over_tcp(self):
        served, tried, output = self.run_both("sum")
        self.assertEqual((served, tried), (0, 0), output)

    def test_reads_fail_on_both_ends_of_a_connection_without_them(self):
        served, tried, output = self.run_both("reads")
        self.assertEqual((served, tried), (1, 1), output)
        self.assertIn("offers no one-sided reads", output)

    def test_an_unknown_check_is_refused(self):
        done = subprocess.run([PROGRAM, "try", "luck", "tcp://127.0.0.1:1"], text=True, timeout=60,
                              stdout=subprocess.PIPE, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("use: rdma_check", done.stdout)


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
