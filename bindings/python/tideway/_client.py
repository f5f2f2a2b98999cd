"""A worker's end: pushes deltas to all servers and pulls parameters from them."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Dict, Generator, Iterable, List, Mapping, Optional, Sequence, Union

from tideway import _tideway
from tideway._layout import Layout, layout_handle
from tideway._runtime import Closable, Runtime, handle_of, keep

def _stop_reading(loop: asyncio.AbstractEventLoop, fd: int) -> None:
    try:
        here = asyncio.get_running_loop() is loop
    except RuntimeError:
        here = False
    if here:
        loop.remove_reader(fd)
    elif not loop.is_closed():
        loop.call_soon_threadsafe(loop.remove_reader, fd)


class Operation:
    """A push, a pull or both, under way since it was made. ``await`` it in a coroutine, or call :meth:`result` in a thread; both
    give its report, or raise what made it fail. Its arrays are in use until it is finished, also if nobody waits for it.
    """

    def __init__(self, client: "Client", handle: _tideway.Operation):
        self._client = client
        self._handle = handle

    def done(self) -> bool:
        """Whether it is finished. Never waits."""
        return self._handle.done()

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Waits, at most ``timeout`` seconds, without the GIL; Ctrl-C ends it. Returns whether the operation is finished."""
        return self._handle.wait(timeout)

    def result(self, timeout: Optional[float] = None) -> Any:
        """Waits, and returns the report: a PushReport, a PullReport, or both in a tuple. ``timeout`` is in seconds; what is not
        finished by then raises DeadlineExceeded and goes on."""
        push, pull = self._handle.reports(timeout)
        if push is not None and pull is not None:
            return push, pull
        return push if push is not None else pull

    def __await__(self) -> Generator[Any, None, Any]:
        return self._wait_in_loop().__await__()

    async def _wait_in_loop(self) -> Any:
        loop = asyncio.get_running_loop()
        finished = loop.create_future()

        def on_finished() -> None:
            loop.call_soon_threadsafe(lambda: finished.done() or finished.set_result(None))

        if self._handle.on_finished(on_finished):
            self._client._watch(loop)
            try:
                await finished
            finally:
                self._client._unwatch(loop)
        return self.result()


class Client(Closable):
    """One incarnation of one worker (or an observer), connected to all servers.

    Args:
        servers: one address per server, in the order of their indices: "tcp://head:5000", "auto://head:5000"; a single one may be
            given as a string.
        layout: of the model; connects at once. Without it, the client connects when :class:`LocalSGD` or :meth:`connect` asks it to.
        worker: its name; a restarted worker of the same name takes the place of the former one. "": a random name.
        observer: pulls and reads statistics only.
        codec_up: for deltas: "int8:block=256", "topk:density=0.01", or "auto", which chooses among codecs_up.
        codec_down: for parameters; pull_differences: a codec for differences to the last pull; "": whole parameters.
        error_feedback: what a lossy codec_up left over is added to the next delta, times residual_decay.
        momentum_correction, factor_masking: for sparse codecs (Deep Gradient Compression).
        keep_rejected: a push that is rejected as stale goes into the residual and is not lost.
        bytes_in_flight_max: encoded bytes on their way per server.
        reconnect_timeout: seconds for which a server may stay away before what is under way fails with Unavailable.
        one_sided_pull: read the servers' memory where the transport can.
        timeout: seconds for connecting.
        runtime: None: the package's own.

    Threads: all methods may be called from any. A client can't be used in a forked child: make a new one there.
    """

    def __init__(self, servers: Union[str, Sequence[str]], layout: Optional[Layout] = None, *,
                 worker: str = "", observer: bool = False, codec_up: str = "identity",
                 codecs_up: Iterable[str] = ("bf16", "int8"), codec_down: str = "identity",
                 pull_differences: str = "", error_feedback: bool = True, residual_decay: float = 1.0,
                 momentum_correction: float = 0.0, factor_masking: bool = True,
                 keep_rejected: bool = True, bytes_in_flight_max: int = 16 << 20,
                 reconnect_timeout: float = 60.0, one_sided_pull: bool = True,
                 timeout: Optional[float] = None, runtime: Optional[Runtime] = None):
        self._options: Dict[str, Any] = {
            "servers": [servers] if isinstance(servers, str) else list(servers),
            "worker": worker,
            "observer": observer,
            "codec_up": codec_up,
            "codecs_up": list(codecs_up),
            "codec_down": codec_down,
            "pull_differences": pull_differences,
            "error_feedback": error_feedback,
            "residual_decay": residual_decay,
            "momentum_correction": momentum_correction,
            "factor_masking": factor_masking,
            "keep_rejected": keep_rejected,
            "bytes_in_flight_max": bytes_in_flight_max,
            "reconnect_timeout": reconnect_timeout,
            "one_sided_pull": one_sided_pull,
        }
        self._runtime = runtime
        self._handle: Optional[_tideway.Client] = None
        self._closed = False
        self._watched: Dict[asyncio.AbstractEventLoop, int] = {}
        if layout is not None:
            self.connect(layout, timeout)

    def connect(self, layout: Union[Layout, Mapping[str, Any], Iterable[Any]],
                timeout: Optional[float] = None) -> None:
        """Connects to all servers and shakes hands; waits at most ``timeout`` seconds (None: 30). Raises InvalidArgument, naming
        the first tensor that differs, where a server has another layout."""
        self._check_unconnected()
        self._handle = _tideway.Client(handle_of(self._runtime), self._options,
                                       layout_handle(layout), timeout)
        keep(self)

    def push(self, delta: Any, *, inner_steps: int = 0, timeout: Optional[float] = None) -> Operation:
        """Starts to push a delta: theta at the last pull minus theta now.

        Args:
            delta: float32: one contiguous array of the layout's elements (used where it lies, and not to be changed until the
                operation is finished), or a dict by name or a list of one array per tensor (copied).
            inner_steps: that made this delta.
            timeout: seconds (None: 60). What is not through by then fails with DeadlineExceeded; each fragment may have been
                applied or not.
        Returns:
            an Operation, whose result is a PushReport.
        """
        return Operation(self, self._connected().push(delta, inner_steps, timeout))

    def pull(self, out: Any, *, window: int = 0, timeout: Optional[float] = None) -> Operation:
        """Starts to pull the parameters into ``out``: float32, writable, shaped as in :meth:`push`. An array of all elements is
        filled in place while the operation runs; several are filled by its result. The result is a PullReport."""
        return Operation(self, self._connected().pull(out, window, timeout))

    def push_pull(self, delta: Any, out: Any, *, inner_steps: int = 0,
                  timeout: Optional[float] = None) -> Operation:
        """Starts a push, and then a pull that contains it; the result is (PushReport, PullReport). Both may be the same array."""
        return Operation(self, self._connected().push_pull(delta, out, inner_steps, timeout))

    def stats(self, server: int = 0, timeout: Optional[float] = None) -> Dict[str, Any]:
        """What a server counts, its workers among them, with the names of tideway/stats.h. Waits (None: 10 s)."""
        return json.loads(self._connected().server_stats(server, timeout))

    def transport_report(self) -> List[Dict[str, Any]]:
        """One dict per server: the path of its data, what else there was, and why that was not taken."""
        return json.loads(self._connected().transport_report())

    def transport_text(self) -> str:
        """The same for people."""
        return self._connected().transport_text()

    def residual_stats(self) -> Dict[str, float]:
        """What error feedback holds: its L2 norm, and the share of its elements that are not zero. Reads all of it."""
        return json.loads(self._connected().residual_stats())

    def leave(self, timeout: Optional[float] = None) -> None:
        """Gives the worker's lease back, says goodbye (at most ``timeout`` seconds; None: 5) and closes."""
        try:
            self._connected().leave(timeout)
        finally:
            self.close()

    def close(self) -> None:
        """Fails what is under way with Cancelled and closes the connections. Once or more."""
        self._free()

    def _free(self) -> None:
        self._closed = True
        handle, self._handle = self._handle, None
        if handle is None:
            return
        for loop in list(self._watched):
            _stop_reading(loop, handle.fileno())
        handle.close()  # which tells what is awaited

    def _check_unconnected(self) -> None:
        if self._closed:
            raise _tideway.FailedPrecondition("the client is closed; make a new one")
        if self._handle is not None:
            raise _tideway.FailedPrecondition("the client is connected already; make another one")

    def _connected(self) -> _tideway.Client:
        if self._handle is not None:
            return self._handle
        if self._closed:
            raise _tideway.FailedPrecondition("the client is closed; make a new one")
        raise _tideway.FailedPrecondition("the client is not connected; give it a layout, call "
                                          "connect, or hand it to LocalSGD")

    # An event loop listens to the client's file descriptor while something is awaited in it.
    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        waiting = self._watched.get(loop, 0)
        self._watched[loop] = waiting + 1
        if waiting == 0:
            handle = self._connected()
            loop.add_reader(handle.fileno(), handle.drain)

    def _unwatch(self, loop: asyncio.AbstractEventLoop) -> None:
        self._watched[loop] -= 1
        if self._watched[loop] == 0:
            del self._watched[loop]
            if self._handle is not None:
                loop.remove_reader(self._handle.fileno())
