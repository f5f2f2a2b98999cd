"""Labelled pictures of 28 x 28 for the PyTorch examples: Fashion-MNIST, where Debian's package dataset-fashion-mnist is installed, and
made-up ones otherwise.

Each worker has PER_WORKER of them that no other worker sees; all are judged on UNSEEN others.
"""

import gzip
import os

import numpy
import torch

FOLDER = "/usr/share/datasets/fashion-mnist"
PIXELS, CLASSES = 28 * 28, 10
PER_WORKER, UNSEEN = 500, 2000


def source():
    """Where they come from, for people."""
    if os.path.isdir(FOLDER):
        return "Fashion-MNIST"
    return "made-up pictures (Debian's package dataset-fashion-mnist, the real ones, is not installed)"


def of_worker(number):
    """Its training data: float32 [PER_WORKER, PIXELS], and int64 [PER_WORKER] from 0 to CLASSES - 1."""
    if os.path.isdir(FOLDER):
        return _read("train", number * PER_WORKER, PER_WORKER)
    return made_up(PER_WORKER, 1 + number)


def unseen():
    """What no worker trains on, in the same form."""
    return _read("t10k", 0, UNSEEN) if os.path.isdir(FOLDER) else made_up(UNSEEN, 0)


def made_up(count, seed):
    """Faint patterns, one per class, under noise that hides them from whoever sees few."""
    patterns = numpy.random.default_rng(12345).normal(size=(CLASSES, PIXELS))
    rng = numpy.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    pictures = 0.12 * patterns[labels] + rng.normal(size=(count, PIXELS))
    return torch.from_numpy(pictures.astype(numpy.float32)), torch.from_numpy(labels)


def _read(part, first, count):
    """From files in the IDX format: a header, then a byte per pixel or label."""
    def rows(kind, header, size):
        with gzip.open(os.path.join(FOLDER, f"{part}-{kind}-ubyte.gz")) as file:
            data = file.read(header + (first + count) * size)[header + first * size:]
        return numpy.frombuffer(data, numpy.uint8).reshape(count, size)

    pictures = rows("images-idx3", 16, PIXELS).astype(numpy.float32) / 255
    labels = rows("labels-idx1", 8, 1).reshape(count).astype(numpy.int64)
    return torch.from_numpy(pictures), torch.from_numpy(labels)
