"""What clients and servers are made from: threads, transports, codecs, outer optimizers and the log."""

from __future__ import annotations

import atexit
import os
import weakref
from typing import Any, Callable, Iterable, Optional, Type, TypeVar

from tideway import _tideway
from tideway._plugins import Codec, OuterOptimizer

_Self = TypeVar("_Self", bound="Closable")
# Everything that has threads of the library behind it, to be closed before the interpreter ends.
_open: "weakref.WeakSet" = weakref.WeakSet()
_process = os.getpid()
_default: Optional["Runtime"] = None


class Runtime:
    """The registries and threads that clients and servers share. Most programs need none of their own: what is given none uses one
    that the package keeps. It starts no thread before the first connection.

    Args:
        threads: that run servers' steps and completions, beside one per transport and one for timers; 0: one per core, at most 8.
        log: called with a level (0 debug, 1 info, 2 warning, 3 error) and one line, on the library's threads. None: no log.
        codecs: subclasses of :class:`Codec`, beside those that are built in. Both ends must have them.
        codec_files: shared libraries with a codec in each (tideway/codec_module.h).
        outer_optimizers: subclasses of :class:`OuterOptimizer`, for servers.
        module_dir: where the transports' modules lie; "": where they were installed.
    """

    def __init__(self, *, threads: int = 0, log: Optional[Callable[[int, str], None]] = None,
                 codecs: Iterable[Type[Codec]] = (), codec_files: Iterable[str] = (),
                 outer_optimizers: Iterable[Type[OuterOptimizer]] = (), module_dir: str = ""):
        self._handle = _tideway.Runtime(threads, log, list(codecs),
                                        [os.fspath(file) for file in codec_files],
                                        list(outer_optimizers), module_dir)


def handle_of(runtime: Optional[Runtime]) -> _tideway.Runtime:
    """Of the runtime that was given, or of the package's own; a forked child gets a new one."""
    global _default, _process
    if runtime is not None:
        return runtime._handle
    if _default is None or _process != os.getpid():
        _process = os.getpid()
        _default = Runtime()
    return _default._handle


class Closable:
    """Closes at the end of a ``with`` block."""

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def keep(closable: Closable) -> None:
    """Closes it before the interpreter ends, unless it is gone by then."""
    _open.add(closable)


@atexit.register
def _close_all() -> None:
    for closable in list(_open):
        closable._free()
    _tideway.forbid_entry()
