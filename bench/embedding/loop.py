"""The Python side of compare.py: what loop.cc does, with numpy arrays or torch tensors.

    loop.py BYTES ROUNDS numpy|torch
"""

import json
import sys
import time

import numpy
import tideway


def seconds_of(rounds, call):
    call()
    since = time.perf_counter()
    for _ in range(rounds):
        call()
    return (time.perf_counter() - since) / rounds


def main():
    elements, rounds = int(sys.argv[1]) // 4, int(sys.argv[2])
    theta, delta = numpy.zeros(elements, numpy.float32), numpy.ones(elements, numpy.float32)
    if sys.argv[3] == "torch":
        import torch
        theta, delta = torch.from_numpy(theta), torch.from_numpy(delta)
    layout = tideway.Layout({"theta": (elements,)})
    with tideway.Server(layout, outer_optimizer="sgd:lr=1") as server, \
            tideway.Client(server.address, layout) as client:
        print(json.dumps({"push": seconds_of(rounds, lambda: client.push(delta).result()),
                          "pull": seconds_of(rounds, lambda: client.pull(theta).result())}))


if __name__ == "__main__":
    main()
