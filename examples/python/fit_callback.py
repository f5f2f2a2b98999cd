#!/usr/bin/python3
"""Tideway as a callback of a `fit` that knows nothing of it, in the manner of Keras; numpy only.

`TidewayCallback` is what a real framework would be given: it joins when training begins, and takes its turn after each batch. Two
workers train, each with half of the data. Succeeds if the shared model is right about more unseen points than a worker that has
trained alone on its half.
"""

import sys
import threading

import numpy
import tideway


class Model:
    """One hidden layer, for two classes."""

    def __init__(self):
        rng = numpy.random.default_rng(0)
        self.weights = {
            "hidden": rng.normal(size=(2, 48)).astype(numpy.float32),
            "hidden_bias": numpy.zeros(48, numpy.float32),
            "output": (rng.normal(size=48) / 7).astype(numpy.float32),
            "output_bias": numpy.zeros(1, numpy.float32),
        }

    def predict(self, x):
        w = self.weights
        hidden = numpy.tanh(x @ w["hidden"] + w["hidden_bias"])
        return 1 / (1 + numpy.exp(-(hidden @ w["output"] + w["output_bias"]))), hidden

    def train_on_batch(self, x, y):
        w = self.weights
        chance, hidden = self.predict(x)
        error = (chance - y) / len(y)
        back = numpy.outer(error, w["output"]) * (1 - hidden**2)
        w["output"] -= 0.5 * hidden.T @ error
        w["output_bias"] -= 0.5 * error.sum()
        w["hidden"] -= 0.5 * x.T @ back
        w["hidden_bias"] -= 0.5 * back.sum(0)
        return float(-numpy.log(numpy.where(y > 0.5, chance, 1 - chance) + 1e-7).mean())

    def fit(self, x, y, epochs, callbacks=(), batch_size=20):
        for callback in callbacks:
            callback.on_train_begin(self)
        for _ in range(epochs):
            for first in range(0, len(y), batch_size):
                loss = self.train_on_batch(x[first:first + batch_size], y[first:first + batch_size])
                for callback in callbacks:
                    callback.on_train_batch_end(loss)
        for callback in callbacks:
            callback.on_train_end()

    def accuracy(self, x, y):
        return float(((self.predict(x)[0] > 0.5) == (y > 0.5)).mean())


class TidewayCallback:
    """Shares what the model learns with all others that train at that server."""

    def __init__(self, server, worker, every=10):
        self.client = tideway.Client(server, worker=worker, codec_up="int8")
        self.every = every

    def on_train_begin(self, model):
        self.sync = tideway.LocalSGD(model.weights, self.client, self.every)

    def on_train_batch_end(self, loss):
        self.sync.step(loss)

    def on_train_end(self):
        self.sync.close()


def moons(rng, count):
    y = rng.integers(0, 2, count).astype(numpy.float32)
    angle = numpy.pi * rng.random(count)
    x = numpy.stack([numpy.cos(angle), numpy.sin(angle)], 1)
    x[y > 0.5] = numpy.array([1, 0.4]) - x[y > 0.5]
    return (x + 0.1 * rng.normal(size=x.shape)).astype(numpy.float32), y


def main():
    x, y = moons(numpy.random.default_rng(1), 400)
    order = numpy.argsort(x[:, 0])  # so that each half lacks what the other one has
    x, y = x[order], y[order]
    unseen = moons(numpy.random.default_rng(2), 2000)
    rng = numpy.random.default_rng(3)
    halves = [(x[order], y[order]) for order in
              (rng.permutation(200), 200 + rng.permutation(200))]
    alone = Model()
    alone.fit(*halves[0], epochs=40)
    shared = Model()
    with tideway.Server(shared.weights, shared.weights, outer_optimizer="nesterov:lr=0.5,momentum=0.5",
                        workers_to_begin=2) as server:
        workers = [threading.Thread(target=Model().fit, args=(*half, 40), kwargs={
            "callbacks": [TidewayCallback(server.address, f"worker-{number}")]
        }) for number, half in enumerate(halves)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        server.read(shared.weights)
    print(f"alone on half of the data: {100 * alone.accuracy(*unseen):.1f} % of unseen points right")
    print(f"two workers, one model:    {100 * shared.accuracy(*unseen):.1f} %")
    return 0 if shared.accuracy(*unseen) > alone.accuracy(*unseen) else 1


if __name__ == "__main__":
    sys.exit(main())
