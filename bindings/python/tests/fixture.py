"""What the tests of the Python package share."""

import unittest

import numpy
import tideway

SHAPES = {"weight": (2, 3), "bias": (3,)}
ELEMENTS = 9


def full(value):
    return numpy.full(ELEMENTS, value, numpy.float32)


class ServerTest(unittest.TestCase):
    """A server over "weight" [2, 3] and "bias" [3], which begin at `initial`, for each test."""

    initial = 2.0
    server_options = {"outer_optimizer": "sgd:lr=0.5"}
    runtime_options = {}

    def setUp(self):
        self.layout = tideway.Layout(SHAPES)
        self.runtime = tideway.Runtime(**self.runtime_options)
        self.server = tideway.Server(self.layout, full(self.initial), runtime=self.runtime,
                                     **self.server_options)
        self.addCleanup(self.server.close)

    def connect(self, **options):
        client = tideway.Client(self.server.address, self.layout, runtime=self.runtime, **options)
        self.addCleanup(client.close)
        return client

    def served(self):
        return self.server.read(full(0))
