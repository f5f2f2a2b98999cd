"""Publishing versions of a model to subscribers, from Python."""

import gc
import threading
import unittest

import numpy
import tideway

try:
    import torch
except ImportError:
    torch = None

MODEL = {"embed": ("bf16", (64, 32)), "norm": ("fp32", (32,)), "gate": ("fp16", (8,))}


def weights_of(version):
    rng = numpy.random.default_rng(version)
    return {"embed": rng.integers(0, 1 << 16, (64, 32)).astype(numpy.uint16),
            "norm": rng.normal(size=32).astype(numpy.float32),
            "gate": rng.normal(size=8).astype(numpy.float16)}


class Versions(unittest.TestCase):

    def setUp(self):
        self.publisher = tideway.Publisher(MODEL)
        self.addCleanup(self.publisher.close)

    def follow(self, **options):
        subscriber = tideway.Subscriber(self.publisher.address, MODEL, **options)
        self.addCleanup(subscriber.close)
        return subscriber

    def expect(self, weights, version):
        self.assertEqual(weights.version, version)
        self.assertEqual(list(weights), list(MODEL))
        for name, array in weights_of(version).items():
            self.assertEqual(weights[name].dtype, array.dtype)
            numpy.testing.assert_array_equal(weights[name], array)

    def test_every_version_arrives_bit_for_bit_at_three_subscribers(self):
        subscribers = [self.follow(name=f"inference-{i}") for i in range(3)]
        have = [None] * 3
        for version in range(1, 11):
            report = self.publisher.publish(version, weights_of(version))
            self.assertEqual((report.version, report.bytes_model), (version, 64 * 32 * 2 + 128 + 16))
            for i, subscriber in enumerate(subscribers):
                have[i] = subscriber.wait(than=have[i], timeout=20)
                self.expect(have[i], version)
        self.assertEqual(self.publisher.stats()["versions"], 10)
        self.assertEqual(len(self.publisher.stats()["subscribers"]), 3)
        self.assertEqual(subscribers[0].stats()["installs"], 10)

    def test_a_version_that_is_held_stays_as_it_is(self):
        subscriber = self.follow()
        self.assertIsNone(subscriber.current())
        self.publisher.publish(1, weights_of(1))
        first = subscriber.wait(timeout=20)
        array = first["embed"]
        with self.assertRaises(ValueError):
            array[0, 0] = 1
        self.publisher.publish(2, weights_of(2))
        self.expect(subscriber.wait(than=first, timeout=20), 2)
        self.expect(first, 1)
        subscriber.close()
        del first, subscriber
        gc.collect()
        numpy.testing.assert_array_equal(array, weights_of(1)["embed"])

    def test_what_does_not_fit_the_model_is_named(self):
        wrong = dict(weights_of(1), norm=numpy.zeros(32))
        with self.assertRaisesRegex(TypeError, "tensor 'norm' has the dtype 'd'.*float32"):
            self.publisher.publish(1, wrong)
        wrong = dict(weights_of(1), embed=numpy.zeros((32, 64), numpy.uint16))
        with self.assertRaisesRegex(tideway.InvalidArgument, r"'embed' has the shape \[32, 64\]"):
            self.publisher.publish(1, wrong)
        wrong = weights_of(1)
        del wrong["gate"]
        with self.assertRaisesRegex(tideway.InvalidArgument, "'gate' is missing"):
            self.publisher.publish(1, wrong)
        with self.assertRaisesRegex(tideway.InvalidArgument, "no tensor 'more'"):
            self.publisher.publish(1, dict(weights_of(1), more=numpy.zeros(1)))
        self.publisher.publish(3, weights_of(3))
        with self.assertRaises(tideway.InvalidArgument):
            self.publisher.publish(3, weights_of(3))
        other = tideway.Subscriber(self.publisher.address, dict(MODEL, norm=("fp32", (31,))))
        self.addCleanup(other.close)
        with self.assertRaisesRegex(tideway.FailedPrecondition, "norm"):
            other.wait(timeout=20)

    def test_closing_ends_a_wait(self):
        subscriber = self.follow()
        threading.Timer(0.05, subscriber.close).start()
        with self.assertRaises((tideway.Cancelled, tideway.FailedPrecondition)):
            subscriber.wait(timeout=20)
        with self.assertRaisesRegex(tideway.FailedPrecondition, "closed"):
            subscriber.current()
        with self.assertRaises(tideway.DeadlineExceeded):
            self.follow().wait(timeout=0.01)

    @unittest.skipIf(torch is None, "python3-torch is not installed")
    def test_torch_models_are_published_and_loaded_in_their_own_types(self):
        torch.manual_seed(1)
        trained = torch.nn.Linear(16, 4).bfloat16()
        served = torch.nn.Linear(16, 4).bfloat16()
        with tideway.Publisher(trained.state_dict()) as publisher, \
                tideway.Subscriber(publisher.address, served.state_dict()) as subscriber:
            publisher.publish(1, trained.state_dict())
            subscriber.wait(timeout=20).copy_to(served.state_dict())
            self.assertTrue(torch.equal(served.weight, trained.weight))
            with self.assertRaisesRegex(tideway.InvalidArgument, "'weight' is fp32"):
                subscriber.current().copy_to(torch.nn.Linear(16, 4).state_dict())


if __name__ == "__main__":
    unittest.main()
