"""A parameter server in this process."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Union

from tideway import _tideway
from tideway._layout import Layout, layout_handle
from tideway._runtime import Closable, Runtime, handle_of, keep


class Server(Closable):
    """Holds the master copy of the parameters (of its fragments, where there are several servers) and steps it as deltas arrive. It
    runs on the library's threads; Python goes on.

    Args:
        layout: a :class:`Layout`, or what one is made from.
        initial: parameters to begin with, float32: one array of all elements, or a dict or list with one per tensor. None: zeros.
        listen: addresses; port 0 takes a free one.
        server_index: which of the layout's servers this is; number 0 leads.
        outer_optimizer: "": delayed Nesterov. Others: "sgd:lr=1", "nesterov:lr=0.7,momentum=0.9".
        staleness: "accept", "weight:power=0.5", "bound:max=10" (in versions).
        synchronous: synchronous DiLoCo in place of asynchronous training; sync_quorum, sync_timeout (seconds): whom it waits for.
        inner_steps: of the fastest worker, between two exchanges; 0: 50. dylu: slower workers get fewer. grace: workers that come
            together start from the same parameters.
        workers_to_begin: that must be there before the first assignment.
        inner_steps_total: of all workers, after which the run is finished; 0: endless.
        shard_sizes, seed: of the training data, and of its sampling.
        lease: seconds of silence after which a worker loses its place.
        credit_bytes, sessions_max: limits; 0: the default.
        one_sided, differences: whether clients may pull so.
        snapshot_dir: where snapshots go; snapshot_interval: seconds; None: only when asked for.
        recover: go on from the newest snapshot in snapshot_dir; NotFound: there is none.
    """

    def __init__(self, layout: Union[Layout, Mapping[str, Any], Iterable[Any]], initial: Any = None, *,
                 listen: Sequence[str] = ("tcp://127.0.0.1:0",), server_index: int = 0,
                 outer_optimizer: str = "", staleness: str = "accept", synchronous: bool = False,
                 sync_quorum: int = 0, sync_timeout: float = 600.0, inner_steps: int = 0,
                 dylu: bool = True, grace: bool = True, workers_to_begin: int = 0,
                 inner_steps_total: int = 0, shard_sizes: Sequence[int] = (), seed: int = 0,
                 lease: float = 15.0, credit_bytes: int = 0, sessions_max: int = 0,
                 one_sided: bool = True, differences: bool = True,
                 snapshot_dir: Union[str, "os.PathLike[str]"] = "",
                 snapshot_interval: Optional[float] = None, recover: bool = False,
                 runtime: Optional[Runtime] = None):
        handle = layout_handle(layout)
        if recover:
            if initial is not None:
                raise _tideway.InvalidArgument("a server that recovers takes its parameters from the "
                                               "snapshot; give no initial ones")
        elif initial is None:
            initial = memoryview(bytearray(4 * handle.elements)).cast("f")
        elif hasattr(initial, "__next__") or hasattr(initial, "items"):
            initial = dict(initial.items()) if hasattr(initial, "items") else list(initial)
        self._handle = _tideway.Server(
            handle_of(runtime), handle, initial, {
                "listen": [listen] if isinstance(listen, str) else list(listen),
                "server_index": server_index,
                "outer_optimizer": outer_optimizer,
                "staleness": staleness,
                "synchronous": synchronous,
                "sync_quorum": sync_quorum,
                "sync_timeout": sync_timeout,
                "inner_steps": inner_steps,
                "dylu": dylu,
                "grace": grace,
                "workers_to_begin": workers_to_begin,
                "inner_steps_total": inner_steps_total,
                "shard_sizes": list(shard_sizes),
                "seed": seed,
                "lease": lease,
                "credit_bytes": credit_bytes,
                "sessions_max": sessions_max,
                "one_sided": one_sided,
                "differences": differences,
                "snapshot_dir": os.fspath(snapshot_dir),
                "snapshot_interval": snapshot_interval,
            })
        keep(self)

    @property
    def addresses(self) -> List[str]:
        """What clients connect to, in the order of ``listen``: "tcp://127.0.0.1:41873"."""
        return self._handle.addresses

    @property
    def address(self) -> str:
        """The first of them."""
        return self._handle.addresses[0]

    def read(self, out: Any) -> Any:
        """Copies the master copy of this server's fragments into ``out`` (float32, writable, as in :meth:`Client.pull`); the rest
        stays as it is. Returns ``out``."""
        self._handle.read(out)
        return out

    def stats(self) -> Dict[str, Any]:
        """What it counts, its workers among them, with the names of tideway/stats.h."""
        return json.loads(self._handle.stats())

    def snapshot(self) -> str:
        """Writes a snapshot into snapshot_dir, and returns its folder. Waits for the disk."""
        return self._handle.snapshot()

    def close(self) -> None:
        """Closes all connections and ends. Writes no snapshot. Once or more."""
        self._free()

    def _free(self) -> None:
        self._handle.close()
