"""Codecs and outer optimizers written in Python, for research: they take the GIL for each fragment (at most 1 MiB of float32)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

BUFFERED = False
"""What :meth:`OuterOptimizer.apply` returns for a delta that it keeps and does not step with yet."""


class Codec:
    """Turns the values of one fragment into bytes and back. Error feedback is done around it: what ``decode`` does not give back is
    added to the next delta.

    A subclass sets ``name`` and ``wire_id``, and is made from a spec: ``codec_up="mine:keep=3"`` calls ``Mine(keep="3")``, and
    decoding needs no parameters: ``Mine()`` must decode what any other instance has encoded. Exceptions fail the push or pull with
    their text. The methods run on the library's threads and must not wait for it.
    """

    name: str = ""
    """In specs: letters, digits, - and _."""
    wire_id: int = 0
    """128 to 255. Permanent: it stands in messages and logs."""
    lossless: bool = False
    """decode(encode(x)) is x, to the bit."""
    dense: bool = True
    """Every element is coded, so that pulls may use it."""

    def bound(self, elements: int) -> int:
        """The most bytes that encode returns for so many elements: at most 8 * elements + 1024."""
        return 8 * elements + 1024

    def encode(self, values: Any) -> bytes:
        """
        Args:
            values: numpy float32 of shape [elements], finite, and the codec's to change.
        Returns:
            bytes, or anything with the buffer protocol (``array.tobytes()`` of a numpy array).
        """
        raise NotImplementedError

    def decode(self, data: bytes, elements: int) -> Any:
        """
        Args:
            data: from a peer: anything may be in it. Raise ValueError for what is no encoding of so many elements.
        Returns:
            float32 of shape [elements], finite.
        """
        raise NotImplementedError


class OuterOptimizer:
    """How a server steps one fragment when a delta arrives. Immutable: what it remembers stands in the slots that it is handed.

    A subclass sets ``name``, and is made from a spec: ``outer_optimizer="mine:lr=0.5"`` calls ``Mine(lr="0.5")``. An exception
    refuses the push with its text, and leaves parameters and slots as they were.
    """

    name: str = ""
    slots: int = 0
    """Arrays like the fragment that it remembers, which begin as zeros; snapshots keep them."""

    def apply(self, theta: Any, delta: Any, state: SimpleNamespace) -> bool:
        """Steps ``theta`` in place.

        Args:
            theta: numpy float32 of shape [elements]: the parameters.
            delta: of the same shape: theta at the worker's last pull minus the worker's theta now, so descent subtracts it.
            state: ``slots``, a list of arrays to be changed in place; ``pushes`` and ``window``, integers of the optimizer's own;
                and to be read ``staleness`` (of the delta, in versions), ``weight`` (from the staleness policy; multiplies the
                delta) and ``active_workers``.
        Returns:
            True if theta was stepped, BUFFERED if the delta was kept in the slots.
        """
        raise NotImplementedError
