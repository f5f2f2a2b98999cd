"""Two hosts on one machine: network namespaces, joined by a veth pair. Needs root and the kernel's network namespaces."""

import os
import subprocess

SERVER_ADDRESS = "10.213.77.1"
WORKER_ADDRESS = "10.213.77.2"


def ip(*words):
    subprocess.run(["ip", *words], check=True, stderr=subprocess.PIPE, text=True)


class Namespaces:
    """Two joined namespaces; `reason` says why there are none."""

    def __init__(self):
        tag = str(os.getpid())
        self.server, self.worker = "tw-s" + tag, "tw-w" + tag
        self.reason = None
        self.made = []
        try:
            for name in (self.server, self.worker):
                ip("netns", "add", name)
                self.made.append(name)
            ends = ("tws" + tag, "tww" + tag)
            self.worker_end = ends[1]
            ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
            for end, name, address in zip(ends, self.made, (SERVER_ADDRESS, WORKER_ADDRESS)):
                ip("link", "set", end, "netns", name)
                ip("-n", name, "address", "add", address + "/24", "dev", end)
                ip("-n", name, "link", "set", end, "up")
                ip("-n", name, "link", "set", "lo", "up")
        except FileNotFoundError:
            self.reason = "there is no `ip` command (package iproute2)"
        except subprocess.CalledProcessError as error:
            self.reason = "network namespaces can't be made here: " + error.stderr.strip()

    def close(self):
        for name in self.made:
            ip("netns", "delete", name)

    def shape(self, rate):
        """What the worker sends leaves at this rate (as tc writes it: 1gbit), with a queue of some milliseconds."""
        ip("netns", "exec", self.worker, "tc", "qdisc", "replace", "dev", self.worker_end, "root",
           "tbf", "rate", rate, "burst", "256kb", "latency", "20ms")
