"""Asynchronous Local-SGD for a training loop that exists."""

from __future__ import annotations

import signal
import threading
from dataclasses import dataclass
from typing import Any, Iterable, Mapping, Optional, Union

from tideway import _tideway
from tideway._client import Client
from tideway._layout import Layout, named_tensors
from tideway._runtime import Closable, handle_of, keep


@dataclass(frozen=True)
class SyncEvent:
    """What one :meth:`LocalSGD.step` did."""

    pushed: bool
    """An exchange was started and, without overlap, finished."""
    merged: bool
    """Pulled parameters were put in place."""
    waited_seconds: float
    """That the call blocked."""
    push: _tideway.PushReport
    """Of the exchange that was merged; all zero where none was."""
    pull: _tideway.PullReport

    def __bool__(self) -> bool:
        return self.merged


class LocalSGD(Closable):
    """Trains alone for some inner steps at a time, and then exchanges what was learned with the servers.

    Joins when it is made, and fills the parameters with the servers' values. Call :meth:`step` after each step of your optimizer,
    whose state is never touched::

        sync = tideway.LocalSGD(model.parameters(), client, every=50)
        ...
        optimizer.step()
        sync.step(loss)

    Args:
        parameters: float32, contiguous, in the CPU's memory: ``model.parameters()``, ``model.named_parameters()``, a dict by name, or
            arrays. They stay where they are until this is closed.
        client: a :class:`Client` that is not connected yet, or the servers' address or addresses.
        every: inner steps between two exchanges. None: as the leading server assigns, which gives slower workers fewer. Of more than
            it assigned, it counts only so many towards the run's total.
        overlap: inner steps that go on while an exchange runs; 0: the step that starts it waits for it.
        alpha: with overlap, theta = alpha * theta now + (1 - alpha) * pulled; None: theta = pulled + what was learned meanwhile.
        fragment_bytes_max: must be the servers'.
        join_timeout, exchange_timeout: seconds.

    Threads: one at a time, but for :meth:`request_stop`.
    """

    def __init__(self, parameters: Union[Mapping[str, Any], Iterable[Any]],
                 client: Union[Client, str, Iterable[str]], every: Optional[int] = None, *,
                 overlap: int = 0, alpha: Optional[float] = None, fragment_bytes_max: int = 1 << 20,
                 join_timeout: float = 30.0, exchange_timeout: float = 900.0):
        named = named_tensors(parameters)
        if not isinstance(client, Client):
            client = Client(client)
        client._check_unconnected()
        if every is not None and every < 1:
            raise _tideway.InvalidArgument(f"every is {every}; give 1 or more, or None")
        self._tensors = [tensor for _, tensor in named]
        self._names = [name for name, _ in named]
        layout = Layout(named, fragment_bytes_max=fragment_bytes_max,
                        servers=len(client._options["servers"]))
        self._handle = _tideway.LocalSgd(
            handle_of(client._runtime), client._options, layout._handle, self._tensors, {
                "fragment_bytes_max": fragment_bytes_max,
                "inner_steps": every or 0,
                "overlap_steps": overlap,
                "alpha": alpha,
                "join_timeout": join_timeout,
                "exchange_timeout": exchange_timeout,
            })
        self._places = [_place_of(tensor) for tensor in self._tensors]
        self._steps = 0  # of the delta that grows now
        self._exchanging = False
        self._client = client
        client._handle = self._handle.client()
        keep(self)

    def step(self, loss: Any = 0.0, tokens: int = 0) -> SyncEvent:
        """To be called after each inner step. After the last one of a delta it pushes that and puts the pulled parameters in place.

        Args:
            loss: of this step, a number or a scalar tensor; told to the servers.
            tokens: that this step trained on.
        Returns:
            what it did; true if the parameters were replaced.
        Raises:
            InvalidArgument for a NaN, naming the tensor; after any other error it can only be closed.
        """
        if self._exchanging or self._steps + 1 >= self.state.inner_steps:
            self._check_places()
            event = SyncEvent(*self._interruptible_step(float(loss), tokens))
        else:
            event = SyncEvent(*self._handle.step(float(loss), tokens))
        self._exchanging = (self._exchanging or event.pushed) and not event.merged
        self._steps = 0 if event.pushed else self._steps + 1
        return event

    @property
    def client(self) -> Client:
        """For reports and statistics."""
        return self._client

    @property
    def state(self) -> _tideway.LocalSgdState:
        """The current assignment: ``inner_steps``, ``shard`` and ``shard_step`` of the training data, ``schedule_progress`` in
        [0, 1], ``finished``, ``inner_steps_taken``, ``window``."""
        return self._handle.state

    @property
    def finished(self) -> bool:
        """The run's target is reached, and the parameters are the final ones."""
        return self._handle.state.finished

    def request_stop(self) -> None:
        """From any thread: a step that waits ends with Cancelled."""
        self._handle.request_stop()

    def close(self) -> None:
        """Pushes nothing more, gives the lease back, closes. Once or more."""
        self._free()

    def _free(self) -> None:
        self._client._free()
        self._handle.close()

    def _check_places(self) -> None:
        for name, tensor, place in zip(self._names, self._tensors, self._places):
            if _place_of(tensor) != place:
                raise _tideway.FailedPrecondition(
                    f"parameter '{name}' has moved to other memory since LocalSGD was made (by .to(), "
                    "resize_() or an assignment to .data); make a new LocalSGD after such changes")

    def _interruptible_step(self, loss: float, tokens: int) -> tuple:
        """A step that may wait for long. Only the main thread runs signal handlers, so there another one waits in its place."""
        if threading.current_thread() is not threading.main_thread() or \
                signal.getsignal(signal.SIGINT) in (signal.SIG_DFL, signal.SIG_IGN, None):
            return self._handle.step(loss, tokens)
        outcome: list = []
        finished = threading.Event()  # Thread.join must not be interrupted

        def run() -> None:
            try:
                outcome.append(self._handle.step(loss, tokens))
            except BaseException as error:  # raised again below
                outcome.append(error)
            finished.set()

        threading.Thread(target=run, name="tideway-step", daemon=True).start()
        try:
            finished.wait()
        except BaseException:
            self._handle.request_stop()
            finished.wait()
            raise
        if isinstance(outcome[0], BaseException):
            raise outcome[0]
        return outcome[0]


def _place_of(tensor: Any) -> Any:
    """Where its memory lies; None where it does not say so as torch does."""
    data_ptr = getattr(tensor, "data_ptr", None)
    return data_ptr() if data_ptr is not None else None
