#!/usr/bin/python3
"""Weight sync from Python: a trainer publishes versions of a bf16 model, and three inference servers follow it, bit for bit.

In real life they are programs on other machines; here each has a Runtime of its own, so that nothing is shared but the wire. The third
server comes late and is sent the whole. Succeeds if all of them have installed what was published, bit for bit, if each was sent the
whole only once, and if each difference was encoded once for all of them.
"""

import sys

import numpy
import tideway

MODEL = {"embed": ("bf16", (1000, 256)), "norm": ("fp32", (256,))}
VERSIONS, LATE = 12, 7


class Trainer:
    """bf16 is uint16 in numpy; a torch model's state_dict() would go as it is."""

    def __init__(self):
        self.rng = numpy.random.default_rng(1)
        self.weights = {"embed": numpy.full((1000, 256), 0x3c00, numpy.uint16),
                        "norm": numpy.ones(256, numpy.float32)}

    def step(self):
        """In bf16 most weights round back to what they were; two in a hundred do not."""
        self.weights["embed"] += self.rng.random((1000, 256)) < 0.02
        self.weights["norm"] *= numpy.float32(1.001)


class InferenceServer:

    def __init__(self, address, name):
        self.subscriber = tideway.Subscriber(address, MODEL, name=name, runtime=tideway.Runtime())
        self.weights = None

    def reach(self, version):
        """One under load takes subscriber.current() for each batch; this one waits for that version."""
        while self.weights is None or self.weights.version != version:
            self.weights = self.subscriber.wait(than=self.weights, timeout=20)

    def has(self, weights):
        return all(self.weights[name].tobytes() == array.tobytes() for name, array in weights.items())


def main():
    trainer, servers, reports = Trainer(), [], []
    with tideway.Publisher(MODEL) as publisher:
        for version in range(1, VERSIONS + 1):
            while len(servers) < (2 if version < LATE else 3):
                servers.append(InferenceServer(publisher.address, f"replica-{len(servers)}"))
            trainer.step()
            reports.append(publisher.publish(version, trainer.weights))
            for number, server in enumerate(servers):
                server.reach(version)
                if not server.has(trainer.weights):
                    sys.exit(f"replica-{number} has installed other weights than version {version}")
            print(f"version {version:2}: {reports[-1].bytes:6} of {reports[-1].bytes_model} bytes")
        stats = [server.subscriber.stats() for server in servers]
        encoded, sent = publisher.stats()["bytes_encoded"], publisher.stats()["bytes_sent"]
        for server in servers:
            server.subscriber.close()
    for number, one in enumerate(stats):
        print(f"replica-{number}: {one['installs']} installs, {one['wholes']} as the whole, {one['bytes']} bytes")
    print(f"encoded: {encoded} bytes, once for all; sent: {sent} bytes")
    once = encoded == sum(report.bytes for report in reports)
    return 0 if once and all(one["wholes"] == 1 for one in stats) else 1


if __name__ == "__main__":
    sys.exit(main())
