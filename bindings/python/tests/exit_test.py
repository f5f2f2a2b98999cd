"""A program may end at any moment, whatever its threads are waiting for: without a crash, without a hang, with its own exit status."""

import subprocess
import sys
import unittest

BUSY = """
import os, sys, threading, numpy, tideway

class Plain(tideway.Codec):
    name, wire_id = "plain", 220
    def encode(self, values): return values.tobytes()
    def decode(self, data, elements): return numpy.frombuffer(data, numpy.float32)

runtime = tideway.Runtime(log=lambda level, text: None, codecs=[Plain])
layout = tideway.Layout({"w": (1000,)})
server = tideway.Server(layout, runtime=runtime)
client = tideway.Client(server.address, layout, codec_up="plain", runtime=runtime)
publisher = tideway.Publisher({"w": ("fp32", (4,))})
subscriber = tideway.Subscriber(publisher.address, {"w": ("fp32", (4,))})
delta = numpy.ones(1000, numpy.float32)

def push_for_ever():
    while True:
        client.push(delta).result()

for target in (push_for_ever, push_for_ever, subscriber.wait):
    threading.Thread(target=target, daemon=True).start()
for _ in range(50):
    client.push(delta)
"""

END = """
sys.exit(3)
"""

FORK = """
for _ in range(10):  # while the threads go in and out
    client.push(delta).result()
    child = os.fork()
    if child == 0:
        sys.exit(4)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 4
"""


class Exit(unittest.TestCase):

    def expect_end(self, program):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                              check=False, timeout=60)
        self.assertEqual(done.returncode, 3, done.stderr)

    def test_threads_that_wait_in_the_library_do_not_crash_a_program_that_ends(self):
        for _ in range(4):
            self.expect_end(BUSY + END)

    def test_a_forked_child_ends_without_waiting_for_its_parents_threads(self):
        self.expect_end(BUSY + FORK + END)


if __name__ == "__main__":
    unittest.main()
