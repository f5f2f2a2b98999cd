"""Tideway: asynchronous communication for training on slow, mixed, failing or far-apart machines.

Workers train alone for many steps, push what they learned, pull what others learned, and wait for nobody.

One line in a training loop that exists::

    client = tideway.Client("tcp://head:5000", worker="worker-0", codec_up="int8")
    sync = tideway.LocalSGD(model.parameters(), client, every=50)
    for batch in batches:
        loss = train_step(batch)     # ends with optimizer.step()
        sync.step(loss)

The server, in this process or another::

    server = tideway.Server(tideway.Layout(model.parameters()), model.parameters(), listen=["tcp://0.0.0.0:5000"])

Without a schedule, with blocking calls or with asyncio::

    client = tideway.Client("tcp://head:5000", layout)
    client.pull(theta).result()
    report = await client.push(delta)

A model's weights for an inference fleet, version by version and bit for bit::

    publisher.publish(step, model.state_dict())
    subscriber.wait(than=weights).copy_to(model.state_dict())

Arrays are numpy arrays, torch tensors on the CPU, and everything else with the buffer protocol or DLPack: float32, contiguous, used
where they lie. What fails raises a subclass of :class:`Error`, which says how to mend it.
"""

from tideway._client import Client, Operation
from tideway._layout import Layout
from tideway._local_sgd import LocalSGD, SyncEvent
from tideway._plugins import BUFFERED, Codec, OuterOptimizer
from tideway._runtime import Runtime
from tideway._server import Server
from tideway._tideway import (Aborted, AlreadyExists, Cancelled, DataLoss, DeadlineExceeded, Error,
                              FailedPrecondition, Internal, InvalidArgument, NotFound, OutOfRange,
                              PermissionDenied, PullReport, PushReport, ResourceExhausted,
                              Unauthenticated, Unavailable, Unimplemented, Unknown, __version__)
from tideway._weights import Publisher, PublishReport, Subscriber, WeightModel, Weights

__all__ = [
    "Aborted", "AlreadyExists", "BUFFERED", "Cancelled", "Client", "Codec", "DataLoss",
    "DeadlineExceeded", "Error", "FailedPrecondition", "Internal", "InvalidArgument", "Layout",
    "LocalSGD", "NotFound", "Operation", "OuterOptimizer", "OutOfRange", "PermissionDenied",
    "Publisher", "PublishReport", "PullReport", "PushReport", "ResourceExhausted", "Runtime",
    "Server", "Subscriber", "SyncEvent", "Unauthenticated", "Unavailable", "Unimplemented",
    "Unknown", "WeightModel", "Weights", "__version__"
]
