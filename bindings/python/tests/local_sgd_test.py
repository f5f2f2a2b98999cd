"""LocalSGD around loops of numpy and torch."""

import os
import signal
import threading
import unittest

import numpy
import tideway

try:
    import torch
except ImportError:
    torch = None


def arrays(value):
    return {"weight": numpy.full((2, 3), value, numpy.float32),
            "bias": numpy.full(3, value, numpy.float32)}


def inner_step(parameters):
    for array in parameters.values():
        array -= 0.1 * (array - 1)
    return float(((parameters["bias"] - 1)**2).sum())


class Numpy(unittest.TestCase):

    def setUp(self):
        self.server = tideway.Server(arrays(0), arrays(0), outer_optimizer="sgd:lr=1")
        self.addCleanup(self.server.close)

    def join(self, parameters, every=5, **options):
        sync = tideway.LocalSGD(parameters, tideway.Client(self.server.address, worker="me"), every,
                                **options)
        self.addCleanup(sync.close)
        return sync

    def test_a_loop_reaches_its_target(self):
        parameters = arrays(7)
        sync = self.join(parameters)
        self.assertEqual(parameters["bias"][0], 0)  # the server's
        merged = [bool(sync.step(inner_step(parameters))) for _ in range(100)]
        self.assertEqual([step for step, done in enumerate(merged, 1) if done], list(range(5, 101, 5)))
        numpy.testing.assert_allclose(parameters["weight"], 1, atol=1e-3)
        self.assertEqual(sync.state.inner_steps_taken, 100)
        self.assertFalse(sync.finished)
        self.assertEqual(sync.client.stats()["workers"][0]["name"], "me")
        self.assertEqual(sync.client.transport_report()[0]["provider"], "tcp")

    def test_the_leading_server_may_assign_the_steps_and_end_the_run(self):
        server = tideway.Server(arrays(0), arrays(0), inner_steps=4, inner_steps_total=40)
        self.addCleanup(server.close)
        parameters = arrays(0)
        with tideway.LocalSGD(parameters, server.address) as sync:
            steps = 0
            while not sync.finished:
                sync.step(inner_step(parameters), tokens=1)
                steps += 1
        self.assertGreaterEqual(steps, 40)

    def test_with_overlap_the_loop_goes_on_while_the_exchange_runs(self):
        parameters = arrays(0)
        sync = self.join(parameters, overlap=2)
        events = [sync.step(inner_step(parameters)) for _ in range(20)]
        self.assertTrue(all(event.merged for event in events if event.push.fragments))
        self.assertEqual(sum(event.pushed for event in events), 4)
        self.assertGreaterEqual(sum(event.merged for event in events), 3)

    def test_a_nan_is_refused_with_the_name_of_its_tensor(self):
        parameters = arrays(0)
        sync = self.join(parameters, every=1)
        parameters["bias"][1] = numpy.nan
        with self.assertRaisesRegex(tideway.InvalidArgument, "bias"):
            sync.step()

    def test_wrong_parameters_are_named(self):
        client = tideway.Client(self.server.address)
        with self.assertRaisesRegex(TypeError, "parameter 'w' has the dtype 'd'"):
            tideway.LocalSGD({"w": numpy.zeros(3)}, client, 5)
        with self.assertRaisesRegex(tideway.InvalidArgument, "parameter 'w' is not contiguous"):
            tideway.LocalSGD({"w": numpy.zeros((3, 2), numpy.float32).T}, client, 5)
        frozen = numpy.zeros(3, numpy.float32)
        frozen.flags.writeable = False
        with self.assertRaisesRegex(tideway.InvalidArgument, "parameter 'w' is read-only"):
            tideway.LocalSGD({"w": frozen}, client, 5)
        with self.assertRaisesRegex(tideway.InvalidArgument, r"weight \[2, 3\] here and w \[3\]"):
            tideway.LocalSGD({"w": numpy.zeros(3, numpy.float32)}, client, 5)
        with self.assertRaisesRegex(tideway.InvalidArgument, "every is 0"):
            tideway.LocalSGD(arrays(0), client, 0)

    def test_a_client_belongs_to_one_local_sgd(self):
        sync = self.join(arrays(0))
        with self.assertRaisesRegex(tideway.FailedPrecondition, "connected already"):
            tideway.LocalSGD(arrays(0), sync.client, 5)
        sync.close()
        sync.close()
        with self.assertRaisesRegex(tideway.FailedPrecondition, "closed"):
            sync.step()
        with self.assertRaisesRegex(tideway.FailedPrecondition, "closed"):
            sync.client.stats()

    def test_an_array_can_not_be_resized_while_it_is_trained(self):
        memory = bytearray(12)
        server = tideway.Server({"w": (3,)})
        self.addCleanup(server.close)
        sync = tideway.LocalSGD({"w": memoryview(memory).cast("f")}, server.address, 1)
        with self.assertRaises(BufferError):
            memory.extend(b"more")
        sync.close()

    def without_its_server(self):
        """A LocalSGD whose next exchange ends when its server comes back, which it does not."""
        sync = self.join(arrays(0), every=1)
        self.server.close()
        return sync

    def test_a_stop_from_another_thread_ends_the_waiting(self):
        sync = self.without_its_server()
        threading.Timer(0.1, sync.request_stop).start()
        with self.assertRaises(tideway.Cancelled):
            sync.step()
        sync.close()

    def test_ctrl_c_ends_the_waiting(self):
        sync = self.without_its_server()
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
        with self.assertRaises(KeyboardInterrupt):
            sync.step()
        sync.close()


@unittest.skipIf(torch is None, "python3-torch is not installed")
class Torch(unittest.TestCase):

    def setUp(self):
        torch.manual_seed(1)
        self.model = torch.nn.Linear(3, 2)
        self.server = tideway.Server(tideway.Layout(self.model.parameters()),
                                     self.model.parameters(), outer_optimizer="sgd:lr=1")
        self.addCleanup(self.server.close)

    def test_a_loop_of_torch_trains_through_the_server(self):
        optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)
        data, target = torch.randn(32, 3), torch.zeros(32, 2)
        sync = tideway.LocalSGD(self.model.parameters(), self.server.address, every=5)
        self.addCleanup(sync.close)
        losses = []
        for _ in range(50):
            optimizer.zero_grad()
            loss = ((self.model(data) - target)**2).mean()
            loss.backward()
            optimizer.step()
            sync.step(loss)
            losses.append(loss.item())
        self.assertLess(losses[-1], losses[0] / 10)
        served = self.server.read([torch.zeros(2, 3), torch.zeros(2)])
        self.assertTrue(torch.equal(served[0], self.model.weight.detach()))

    def test_a_parameter_that_moved_is_named(self):
        sync = tideway.LocalSGD(self.model.named_parameters(),
                                self.named_server().address, every=1)
        self.addCleanup(sync.close)
        self.model.bias.data = self.model.bias.data.clone()
        with self.assertRaisesRegex(tideway.FailedPrecondition, "'bias' has moved"):
            sync.step()

    def named_server(self):
        server = tideway.Server(self.model.state_dict())
        self.addCleanup(server.close)
        return server

    def test_a_tensor_on_no_cpu_is_refused(self):
        with self.assertRaises((TypeError, tideway.InvalidArgument, ValueError)):
            tideway.LocalSGD([torch.empty(3, device="meta")], self.server.address, 5)


if __name__ == "__main__":
    unittest.main()
