"""Pushes and pulls from Python: arrays of all kinds, blocking and awaited, and what is said to wrong ones."""

import array
import asyncio
import gc
import os
import sys
import threading
import unittest

import numpy
import tideway

from fixture import ELEMENTS, SHAPES, ServerTest, full

try:
    import torch
except ImportError:
    torch = None


class Transfers(ServerTest):

    def test_a_push_and_a_pull_give_what_the_server_has(self):
        client = self.connect()
        pushed = client.push(full(1), inner_steps=7).result()
        self.assertEqual((pushed.fragments, pushed.applied, pushed.rejected), (1, 1, 0))
        self.assertEqual(pushed.bytes_fp32, 4 * ELEMENTS)
        theta = full(0)
        pulled = client.pull(theta).result()
        self.assertEqual(pulled.version_max, 1)
        numpy.testing.assert_array_equal(theta, full(1.5))
        numpy.testing.assert_array_equal(self.served(), theta)

    def test_push_pull_may_use_one_array_for_both(self):
        values = full(1)
        push, pull = self.connect().push_pull(values, values).result()
        self.assertEqual((push.applied, pull.version_min), (1, 1))
        numpy.testing.assert_array_equal(values, full(1.5))

    def test_a_dict_or_a_list_has_one_array_per_tensor(self):
        client = self.connect()
        delta = {"bias": numpy.ones(3, numpy.float32), "weight": numpy.zeros((2, 3), numpy.float32)}
        client.push(delta).result()
        out = [numpy.zeros((2, 3), numpy.float32), numpy.zeros(3, numpy.float32)]
        client.pull(out).result()
        numpy.testing.assert_array_equal(out[0], numpy.full((2, 3), 2.0))
        numpy.testing.assert_array_equal(out[1], numpy.full(3, 1.5))

    def test_everything_with_the_buffer_protocol_is_an_array(self):
        client = self.connect()
        client.push(array.array("f", [1.0] * ELEMENTS)).result()
        out = memoryview(bytearray(4 * ELEMENTS)).cast("f")
        client.pull(out).result()
        self.assertEqual(list(out), [1.5] * ELEMENTS)

    def test_read_only_memory_may_be_pushed(self):
        delta = full(1)
        delta.flags.writeable = False
        self.assertEqual(self.connect().push(delta).result().applied, 1)

    @unittest.skipIf(torch is None, "python3-torch is not installed")
    def test_torch_tensors_are_used_where_they_lie(self):
        client = self.connect()
        client.push({"weight": torch.ones(2, 3), "bias": torch.ones(3)}).result()
        theta = torch.zeros(ELEMENTS, requires_grad=True)
        place = theta.data_ptr()
        client.pull(theta).result()
        self.assertEqual(theta.data_ptr(), place)
        self.assertTrue(torch.equal(theta.detach(), torch.full((ELEMENTS,), 1.5)))

    def test_an_array_stays_alive_until_its_operation_is_finished(self):
        client = self.connect()
        for _ in range(20):
            client.push(full(0.1))  # both are dropped at once
            gc.collect()
        client.pull(full(0)).result()
        for _ in range(1000):
            if client.stats()["outer_steps"] == 20:
                break
        self.assertEqual(client.stats()["outer_steps"], 20)

    def test_an_array_can_not_be_resized_while_it_is_in_use(self):
        memory = bytearray(4 * ELEMENTS)
        operation = self.connect().push(memoryview(memory).cast("f"))
        with self.assertRaises(BufferError):
            memory.extend(b"more")
        operation.result()
        del operation
        memory.extend(b"more")

    def test_a_result_may_be_asked_for_twice_and_by_two_threads(self):
        operation = self.connect().push(full(1))
        seen = []
        threads = [threading.Thread(target=lambda: seen.append(operation.result().applied))
                   for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(seen, [1, 1, 1, 1])
        self.assertTrue(operation.done())
        self.assertTrue(operation.wait(0))

    def test_reports_say_what_is_in_them(self):
        client = self.connect(worker="me", codec_up="int8")
        self.assertIn("applied=1", repr(client.push(full(1)).result()))
        self.assertEqual(client.stats()["workers"][0]["name"], "me")
        self.assertEqual(client.transport_report()[0]["provider"], "tcp")
        self.assertIn(self.server.address, client.transport_text())
        self.assertEqual(set(client.residual_stats()), {"norm", "density"})
        self.assertEqual(self.server.stats()["outer_steps"], 1)

    def test_a_lossy_codec_keeps_what_it_left_over(self):
        client = self.connect(codec_up="topk:density=0.2")
        client.push(numpy.arange(ELEMENTS, dtype=numpy.float32)).result()
        self.assertGreater(client.residual_stats()["norm"], 1)


class Awaited(ServerTest):

    def test_operations_can_be_awaited_many_at_once(self):
        client = self.connect()

        async def train():
            await client.push(full(1))
            reports = await asyncio.gather(*(client.push(full(0.5)) for _ in range(8)))
            theta = full(0)
            push, pull = await client.push_pull(full(0), theta)
            return reports, push, pull, theta

        reports, push, pull, theta = asyncio.run(train())
        self.assertEqual([report.applied for report in reports], [1] * 8)
        self.assertEqual((push.applied, pull.version_max), (1, 10))
        numpy.testing.assert_array_equal(theta, full(2 - 0.5 - 8 * 0.25))

    def test_a_client_goes_from_one_event_loop_to_the_next(self):
        client = self.connect()

        async def push():
            return (await client.push(full(1))).applied

        self.assertEqual([asyncio.run(push()) for _ in range(3)], [1, 1, 1])
        self.assertEqual(client.push(full(1)).result().applied, 1)

    def test_what_was_finished_before_it_is_awaited_has_its_result(self):
        client = self.connect()

        async def push():
            operation = client.push(full(1))
            operation.wait()
            other = client.push(full(1))
            await other
            return (await operation).applied

        self.assertEqual(asyncio.run(push()), 1)

    def test_a_failure_is_raised_where_it_is_awaited(self):
        client = self.connect()
        delta = full(0)
        delta[7] = numpy.nan

        async def push():
            await client.push(delta)

        with self.assertRaisesRegex(tideway.InvalidArgument, "bias"):
            asyncio.run(push())

    def test_closing_wakes_who_awaits(self):
        client = self.connect()

        async def push():
            self.server.close()
            operation = client.push(full(1), timeout=-1)
            waiting = asyncio.ensure_future(self.wait_for(operation))
            await asyncio.sleep(0)
            client.close()
            await waiting

        with self.assertRaises(tideway.Cancelled):
            asyncio.run(push())

    @staticmethod
    async def wait_for(operation):
        return await operation


class WrongArguments(ServerTest):

    def test_another_dtype_is_a_type_error(self):
        client = self.connect()
        with self.assertRaisesRegex(TypeError, "delta has the dtype 'd'.*float32"):
            client.push(numpy.zeros(ELEMENTS))
        with self.assertRaisesRegex(TypeError, "delta has the dtype 'B'"):
            client.push(bytes(4 * ELEMENTS))
        with self.assertRaisesRegex(TypeError, "out is a int"):
            client.pull(3)
        with self.assertRaisesRegex(TypeError, "delta has the dtype '>f'"):
            client.push(numpy.zeros(ELEMENTS, ">f4"))

    def test_a_wrong_size_or_shape_is_named(self):
        client = self.connect()
        with self.assertRaisesRegex(tideway.InvalidArgument, "delta has 8 elements and the layout 9"):
            client.push(numpy.zeros(8, numpy.float32))
        with self.assertRaisesRegex(ValueError, r"tensor 'weight' has the shape \[3, 2\].*\[2, 3\]"):
            client.push({"weight": numpy.zeros((3, 2), numpy.float32),
                         "bias": numpy.zeros(3, numpy.float32)})
        with self.assertRaisesRegex(tideway.InvalidArgument, "tensor 'bias' is missing"):
            client.push({"weight": numpy.zeros((2, 3), numpy.float32), "b": full(0)})
        with self.assertRaisesRegex(tideway.InvalidArgument, "delta has 1 tensors and the layout 2"):
            client.push([full(0)])

    def test_memory_that_is_not_contiguous_is_refused(self):
        client = self.connect()
        with self.assertRaisesRegex(tideway.InvalidArgument, "not contiguous.*ascontiguousarray"):
            client.push(numpy.zeros(2 * ELEMENTS, numpy.float32)[::2])
        with self.assertRaisesRegex(tideway.InvalidArgument, "tensor 'weight' is not contiguous"):
            client.pull({"weight": numpy.zeros((3, 2), numpy.float32).T,
                         "bias": numpy.zeros(3, numpy.float32)})

    def test_read_only_memory_is_not_written(self):
        out = full(0)
        out.flags.writeable = False
        with self.assertRaisesRegex(tideway.InvalidArgument, "out is read-only"):
            self.connect().pull(out)

    @unittest.skipIf(torch is None, "python3-torch is not installed")
    def test_wrong_torch_tensors_are_named_too(self):
        client = self.connect()
        with self.assertRaisesRegex(TypeError, "delta has another dtype than float32"):
            client.push(torch.zeros(ELEMENTS, dtype=torch.float64))
        with self.assertRaisesRegex(tideway.InvalidArgument, r"not contiguous.*\.contiguous\(\)"):
            client.push(torch.zeros(2 * ELEMENTS)[::2])
        with self.assertRaisesRegex(tideway.InvalidArgument, "delta has 3 elements"):
            client.push(torch.zeros(3))

    def test_another_layout_is_refused_with_the_tensor_that_differs(self):
        with self.assertRaisesRegex(tideway.InvalidArgument,
                                    r"weight \[2, 3\] here and weight \[6\] at the client"):
            tideway.Client(self.server.address, tideway.Layout({"weight": (6,), "bias": (3,)}))
        with self.assertRaisesRegex(tideway.InvalidArgument, "'empty'"):
            tideway.Layout({"empty": (0,)})
        with self.assertRaisesRegex(TypeError, "tensor 'a' is a int"):
            tideway.Layout({"a": 3})

    def test_specs_and_addresses_that_do_not_exist_are_refused(self):
        with self.assertRaisesRegex(tideway.InvalidArgument, "int8"):
            self.connect(codec_up="int9")
        with self.assertRaises(ConnectionError):
            tideway.Client("tcp://127.0.0.1:1", self.layout, reconnect_timeout=0.001, timeout=2)
        with self.assertRaises(TypeError):
            self.connect(codec="int8")

    def test_every_error_is_a_tideway_error(self):
        for name in ("InvalidArgument", "Unavailable", "DeadlineExceeded", "Cancelled"):
            self.assertTrue(issubclass(getattr(tideway, name), tideway.Error))
        self.assertTrue(issubclass(tideway.DeadlineExceeded, TimeoutError))


class AfterClose(ServerTest):

    def test_a_closed_client_says_so(self):
        client = self.connect()
        operation = client.push(full(1))
        operation.result()
        client.close()
        client.close()
        for call in (lambda: client.push(full(1)), lambda: client.pull(full(1)), client.stats,
                     client.leave, client.transport_report, lambda: client.connect(self.layout)):
            with self.assertRaisesRegex(tideway.FailedPrecondition, "closed"):
                call()
        self.assertEqual(operation.result().applied, 1)

    def test_a_closed_server_says_so(self):
        self.server.close()
        with self.assertRaisesRegex(tideway.FailedPrecondition, "closed"):
            self.server.read(full(0))
        with self.assertRaisesRegex(RuntimeError, "closed"):
            self.server.stats()

    def test_a_client_without_a_layout_is_not_connected(self):
        client = tideway.Client(self.server.address)
        with self.assertRaisesRegex(tideway.FailedPrecondition, "not connected"):
            client.push(full(1))
        with client:
            client.connect(self.layout)
            with self.assertRaisesRegex(tideway.FailedPrecondition, "connected already"):
                client.connect(self.layout)

    def test_closing_fails_what_is_under_way(self):
        client = self.connect()
        self.server.close()
        operation = client.push(full(1), timeout=-1)
        with self.assertRaisesRegex(tideway.DeadlineExceeded, "still runs"):
            operation.result(0.001)
        client.close()
        with self.assertRaises(tideway.Cancelled):
            operation.result()

    def test_a_forked_child_is_told_to_make_its_own(self):
        client = self.connect()
        child = os.fork()
        if child == 0:
            try:
                self.check_in_child(client)
            except BaseException as error:  # unittest must not go on in here
                sys.stderr.write(f"{type(error).__name__}: {error}\n")
                os._exit(1)
            os._exit(0)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)
        self.assertEqual(client.push(full(1)).result().applied, 1)

    def check_in_child(self, client):
        for call in (lambda: client.push(full(1)), lambda: client.pull(full(1)), self.server.stats):
            with self.assertRaisesRegex(tideway.FailedPrecondition, "was forked"):
                call()
        client.close()
        with tideway.Client(self.server.address, self.layout, worker="child") as own:
            own.pull(full(0)).result()

    def test_snapshots_bring_the_parameters_back(self):
        import tempfile
        with tempfile.TemporaryDirectory() as folder:
            with self.assertRaises(tideway.NotFound):
                tideway.Server(self.layout, snapshot_dir=folder, recover=True)
            with tideway.Server(self.layout, full(4), snapshot_dir=folder) as server:
                self.assertIn(folder, server.snapshot())
            with tideway.Server(self.layout, snapshot_dir=folder, recover=True) as server:
                numpy.testing.assert_array_equal(server.read(full(0)), full(4))
            with self.assertRaises(tideway.InvalidArgument):
                tideway.Server(self.layout, full(4), snapshot_dir=folder, recover=True)


if __name__ == "__main__":
    unittest.main()
