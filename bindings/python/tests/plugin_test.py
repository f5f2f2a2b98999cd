"""Codecs and outer optimizers in Python, the log function, and exceptions in each of them."""

import gc
import threading
import unittest

import numpy
import tideway

from fixture import ELEMENTS, ServerTest, full


class Whole(tideway.Codec):
    """Whole numbers from -100 to 100, one byte each; `scale` says how much finer than 1."""

    name = "whole"
    wire_id = 210

    def __init__(self, scale="1"):
        self.scale = float(scale)

    def bound(self, elements):
        return elements + 4

    def encode(self, values):
        if values.max() > 100:
            raise ValueError(f"{values.max()} is larger than this codec can do")
        return numpy.float32(self.scale).tobytes() + \
            numpy.rint(values * self.scale).astype(numpy.int8).tobytes()

    def decode(self, data, elements):
        if len(data) != elements + 4:
            raise ValueError("needs four bytes and one per element")
        scale = numpy.frombuffer(data, numpy.float32, 1)[0]
        return numpy.frombuffer(data, numpy.int8, offset=4).astype(numpy.float32) / scale


class TooLong(Whole):
    name = "too-long"
    wire_id = 211

    def encode(self, values):
        return bytes(5 * len(values))


class Nonsense(Whole):
    name = "nonsense"
    wire_id = 212

    def decode(self, data, elements):
        return numpy.full(elements, numpy.nan)


class Mean2(tideway.OuterOptimizer):
    """theta -= the mean of two deltas. Thirteen brings bad luck."""

    name = "mean2"
    slots = 1

    def apply(self, theta, delta, state):
        if delta[0] == 13:
            theta[:] = 0
            raise ArithmeticError("thirteen brings bad luck")
        state.slots[0] += state.weight * delta
        state.pushes += 1
        if state.pushes < 2:
            return tideway.BUFFERED
        theta -= state.slots[0] / 2
        state.slots[0][:] = 0
        state.pushes = 0
        return True


class Codecs(ServerTest):
    runtime_options = {"codecs": [Whole, TooLong, Nonsense]}
    server_options = {"outer_optimizer": "sgd:lr=1"}
    initial = 10.0

    def test_a_codec_carries_pushes_and_its_rest_goes_with_the_next(self):
        client = self.connect(codec_up="whole")
        report = client.push(full(2.25)).result()
        self.assertEqual(report.bytes, ELEMENTS + 4)
        numpy.testing.assert_array_equal(self.served(), full(8))
        client.push(full(0.5)).result()
        numpy.testing.assert_array_equal(self.served(), full(7))

    def test_parameters_of_a_spec_reach_the_class(self):
        self.connect(codec_up="whole:scale=4").push(full(2.25)).result()
        numpy.testing.assert_array_equal(self.served(), full(7.75))

    def test_a_dense_codec_serves_pulls(self):
        out = full(0)
        self.connect(codec_down="whole").pull(out).result()
        numpy.testing.assert_array_equal(out, full(10))

    def test_an_exception_fails_the_push_with_its_text(self):
        client = self.connect(codec_up="whole", error_feedback=False)
        with self.assertRaisesRegex(tideway.Internal, "ValueError: 101.0 is larger"):
            client.push(full(101)).result()
        self.assertEqual(client.push(full(1)).result().applied, 1)

    def test_a_wrong_result_fails_the_push(self):
        with self.assertRaisesRegex(tideway.Internal, "encode returned 45 bytes.*bound allows 13"):
            self.connect(codec_up="too-long").push(full(1)).result()
        with self.assertRaisesRegex(tideway.Internal, "NaN"):
            self.connect(codec_up="nonsense").push(full(1)).result()

    def test_a_constructor_that_refuses_is_heard_when_connecting(self):
        with self.assertRaisesRegex(tideway.InvalidArgument, "could not convert string to float"):
            self.connect(codec_up="whole:scale=many")
        with self.assertRaisesRegex(tideway.InvalidArgument, "unexpected keyword argument 'size'"):
            self.connect(codec_up="whole:size=4")

    def test_tables_that_can_not_be_are_refused(self):
        class TakenId(Whole):
            wire_id = 4

        class NoName(Whole):
            name = "a:b"

        for codec in (TakenId, NoName):
            with self.assertRaises(tideway.InvalidArgument):
                tideway.Runtime(codecs=[codec])
        with self.assertRaises(tideway.AlreadyExists):
            tideway.Runtime(codecs=[Whole, Whole])
        with self.assertRaises(AttributeError):
            tideway.Runtime(codecs=[int])
        with self.assertRaises(tideway.NotFound):
            tideway.Runtime(codec_files=["/nowhere.so"])


class Optimizers(ServerTest):
    runtime_options = {"outer_optimizers": [Mean2]}
    server_options = {"outer_optimizer": "mean2"}
    initial = 10.0

    def test_an_outer_optimizer_steps_the_server(self):
        client = self.connect()
        self.assertEqual(client.push(full(2)).result().buffered, 1)
        self.assertEqual(client.push(full(4)).result().applied, 1)
        numpy.testing.assert_array_equal(self.served(), full(7))

    def test_an_exception_refuses_the_push_and_changes_nothing(self):
        with self.assertRaisesRegex(tideway.Internal, "ArithmeticError: thirteen brings bad luck"):
            self.connect(worker="unlucky").push(full(13)).result()
        numpy.testing.assert_array_equal(self.served(), full(10))
        client = self.connect(worker="other")
        client.push(full(1)).result()
        client.push(full(1)).result()
        numpy.testing.assert_array_equal(self.served(), full(9))


class Logs(unittest.TestCase):

    def test_the_log_goes_to_the_function_that_was_given(self):
        lines = []
        runtime = tideway.Runtime(log=lambda level, text: lines.append((level, text)))
        with tideway.Server({"w": (4,)}, runtime=runtime) as server:
            tideway.Client(server.address, tideway.Layout({"w": (4,)}), worker="me",
                           runtime=runtime).leave()
        self.assertTrue(any(level == 1 and "me joined" in text for level, text in lines), lines)

    def test_an_exception_in_the_log_function_harms_nobody(self):
        raised = []

        def log(level, text):
            raised.append(text)
            raise RuntimeError("no log today")

        import sys
        hook, sys.unraisablehook = sys.unraisablehook, lambda unraisable: None
        self.addCleanup(setattr, sys, "unraisablehook", hook)
        runtime = tideway.Runtime(log=log)
        with tideway.Server({"w": (4,)}, runtime=runtime) as server:
            with tideway.Client(server.address, tideway.Layout({"w": (4,)}), runtime=runtime) as client:
                self.assertEqual(client.push(numpy.ones(4, numpy.float32)).result().applied, 1)
        self.assertTrue(raised)

    def test_objects_may_be_dropped_in_any_order(self):
        for _ in range(5):
            runtime = tideway.Runtime(codecs=[Whole], log=lambda level, text: None)
            server = tideway.Server({"w": (4,)}, runtime=runtime)
            client = tideway.Client(server.address, tideway.Layout({"w": (4,)}), codec_up="whole",
                                    runtime=runtime)
            operation = client.push(numpy.ones(4, numpy.float32))
            del runtime, server
            del client
            gc.collect()
            del operation
            gc.collect()

    def test_no_thread_starts_before_the_first_connection(self):
        def threads():
            import os
            return len(os.listdir("/proc/self/task"))

        before = threads()
        runtime = tideway.Runtime(threads=2)
        layout = tideway.Layout({"w": (4,)})
        client = tideway.Client("tcp://127.0.0.1:1", runtime=runtime)
        self.assertEqual(threads(), before)
        with tideway.Server(layout, runtime=runtime):
            self.assertGreater(threads(), before)
        client.close()
        self.assertEqual(threading.active_count(), 1)


if __name__ == "__main__":
    unittest.main()
