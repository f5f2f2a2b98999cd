"""Two hosts on one machine: a server and workers in two network namespaces, joined by a veth pair that this test makes.

  namespaces_test.py --bin build/dev/bin [--must-run]

Needs root and the kernel's network namespaces; without them it is skipped with the reason, unless --must-run is given.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import trainer_test
from namespaces import SERVER_ADDRESS, Namespaces
from trainer_test import SMALL, Run, write_text
from transports_test import usable

MUST_RUN = False
FLAGS = [flag for flag in SMALL if flag != "--plain"]


class InNamespace(Run):
    """A tideway-train process inside a namespace."""

    def __init__(self, namespace, folder, *flags):
        self.folder = folder
        self.out = os.path.join(folder, "run")
        self.text = ""
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", namespace, os.path.join(trainer_test.BIN, "tideway-train"),
             *flags], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)


class NamespacesTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.hosts = Namespaces()
        cls.addClassCleanup(cls.hosts.close)
        if cls.hosts.reason and not MUST_RUN:
            raise unittest.SkipTest(cls.hosts.reason)
        assert not cls.hosts.reason, cls.hosts.reason

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="tideway-namespaces-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        write_text(os.path.join(self.folder, "text.txt"))

    def start(self, namespace, *flags):
        run = InNamespace(namespace, self.folder, *flags)
        self.addCleanup(run.end)
        return run

    def train(self, listen):
        """A server in one namespace, two workers in the other; what the workers' logs say."""
        common = ["--workers", "2", "--steps", "40", "--data", "text.txt", *FLAGS]
        server = self.start(self.hosts.server, "--role", "server", "--listen", listen, "--out",
                            "srv", *common)
        server.wait_until(lambda: "listening " in server.text and
                          "\n" in server.text.split("listening ")[1])
        uri = server.text.split("listening ")[1].split()[0]
        workers = [self.start(self.hosts.worker, "--role", "worker", "--connect", uri,
                              "--worker-index", str(index), "--out", "wrk%d" % index, *common)
                   for index in range(2)]
        for worker in workers:
            self.assertEqual(worker.finish(), 0, worker.text)
        return [worker.text for worker in workers]

    def test_workers_and_server_talk_over_tcp(self):
        for text in self.train("tcp://%s:0" % SERVER_ADDRESS):
            self.assertIn("data goes over tcp", text)

    def test_workers_and_server_talk_over_ucx_with_tcp(self):
        if usable()["ucx/tcp"] is not None:
            self.skipTest("ucx/tcp: " + usable()["ucx/tcp"])
        for text in self.train("ucx://%s:0?tls=tcp" % SERVER_ADDRESS):
            self.assertIn("data goes over ucx/tcp", text)

    def test_auto_takes_a_path_that_crosses_and_says_why_it_is_not_shared_memory(self):
        for text in self.train("auto://%s:0" % SERVER_ADDRESS):
            self.assertRegex(text, r"data goes over (tcp|ucx/tcp|ofi\+tcp|ofi\+net) ")
            for name in ("ucx/sm", "ofi+shm"):
                if usable()[name] is None:
                    self.assertIn(name + ": refused: the server is on another host", text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True, help="folder of tideway and tideway-train")
    parser.add_argument("--must-run", action="store_true")
    arguments, rest = parser.parse_known_args()
    trainer_test.BIN = os.path.abspath(arguments.bin)
    MUST_RUN = arguments.must_run
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)
