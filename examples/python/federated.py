#!/usr/bin/python3
"""Logistic regression in numpy, federated over 8 clients whose data never leaves them.

Each client has seen only some of the inputs vary, so alone it learns only its part of the truth. They meet at a server: every client
runs a few steps on its own data, pushes what it learned and pulls what all have learned, in one thread with asyncio. Succeeds if the
shared model is better on unseen data than every client's own.
"""

import asyncio
import sys

import numpy
import tideway

CLIENTS, INPUTS, ROUNDS, INNER_STEPS = 8, 16, 30, 5
LAYOUT = tideway.Layout({"weight": (INPUTS,), "bias": (1,)})


def truth():
    return numpy.random.default_rng(0).normal(size=INPUTS).astype(numpy.float32)


def examples(rng, count, inputs):
    """Only those inputs vary."""
    x = numpy.zeros((count, INPUTS), numpy.float32)
    x[:, inputs] = rng.normal(size=(count, len(inputs)))
    chance = 1 / (1 + numpy.exp(-3 * (x @ truth() + 0.2)))
    return x, (rng.random(count) < chance).astype(numpy.float32)


def inner_steps(theta, x, y, steps):
    """Gradient descent; theta is the weight, and the bias behind it."""
    for _ in range(steps):
        error = 1 / (1 + numpy.exp(-(x @ theta[:-1] + theta[-1]))) - y
        theta[:-1] -= 0.5 * x.T @ error / len(y)
        theta[-1] -= 0.5 * error.mean()


def accuracy(theta, x, y):
    return ((x @ theta[:-1] + theta[-1] > 0) == (y > 0.5)).mean()


async def client(address, number, x, y):
    theta = numpy.zeros(LAYOUT.elements, numpy.float32)
    with tideway.Client(address, LAYOUT, worker=f"client-{number}", codec_up="bf16") as me:
        await me.pull(theta)
        for _ in range(ROUNDS):
            start = theta.copy()
            inner_steps(theta, x, y, INNER_STEPS)
            await me.push_pull(start - theta, theta, inner_steps=INNER_STEPS)


async def federate(address, data):
    await asyncio.gather(*(client(address, number, *own) for number, own in enumerate(data)))


def main():
    rng = numpy.random.default_rng(1)
    data = [examples(rng, 200, numpy.arange(4) + 2 * number) if number < 7 else
            examples(rng, 200, numpy.array([14, 15, 0, 1])) for number in range(CLIENTS)]
    unseen = examples(numpy.random.default_rng(2), 4000, numpy.arange(INPUTS))
    alone = []
    for x, y in data:
        theta = numpy.zeros(LAYOUT.elements, numpy.float32)
        inner_steps(theta, x, y, ROUNDS * INNER_STEPS)
        alone.append(accuracy(theta, *unseen))
    with tideway.Server(LAYOUT, outer_optimizer="sgd:lr=0.5") as server:
        asyncio.run(federate(server.address, data))
        shared = accuracy(server.read(numpy.zeros(LAYOUT.elements, numpy.float32)), *unseen)
    print(f"alone:     {100 * min(alone):.1f} to {100 * max(alone):.1f} % of unseen examples right")
    print(f"federated: {100 * shared:.1f} %, over {CLIENTS} clients of 200 examples each")
    return 0 if shared > max(alone) + 0.02 else 1


if __name__ == "__main__":
    sys.exit(main())
