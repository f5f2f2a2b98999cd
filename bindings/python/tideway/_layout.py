"""What a model's parameters are called, and which shapes they have."""

from __future__ import annotations

from typing import Any, Iterable, List, Mapping, Tuple, Union

from tideway import _tideway

Named = List[Tuple[str, Any]]


def named_tensors(tensors: Union[Mapping[str, Any], Iterable[Any]]) -> Named:
    """Pairs of a name and a tensor (or a shape). Tensors without a name are called by their place: "0", "1", ..."""
    if isinstance(tensors, Mapping):
        return [(str(name), tensor) for name, tensor in tensors.items()]
    if hasattr(tensors, "shape"):
        return [("0", tensors)]
    named = []
    for place, tensor in enumerate(tensors):
        if isinstance(tensor, tuple) and len(tensor) == 2 and isinstance(tensor[0], str):
            named.append(tensor)
        else:
            named.append((str(place), tensor))
    return named


def shape_of(name: str, tensor: Any) -> List[int]:
    shape = getattr(tensor, "shape", tensor)
    try:
        return [int(size) for size in shape]
    except TypeError:
        raise TypeError(f"tensor '{name}' is a {type(tensor).__name__}, neither a shape nor "
                        "something with one") from None


class Layout:
    """What the flat float32 vector of all parameters consists of. A client's and its servers' must be equal.

    Args:
        tensors: in their order, each as a tensor or array (of which only the shape is used) or a shape: a dict by name, pairs of
            name and tensor (``model.named_parameters()``), or tensors alone (``model.parameters()``), which are called "0", "1", ...
        fragment_bytes_max: how the vector is cut for transfer; a multiple of 4.
        servers: that share the fragments.
    """

    def __init__(self, tensors: Union[Mapping[str, Any], Iterable[Any]], *,
                 fragment_bytes_max: int = 1 << 20, servers: int = 1):
        named = named_tensors(tensors)
        self._handle = _tideway.Layout([name for name, _ in named],
                                       [shape_of(name, tensor) for name, tensor in named],
                                       fragment_bytes_max, servers)

    @property
    def tensors(self) -> List[Tuple[str, Tuple[int, ...]]]:
        """Names and shapes."""
        return [(name, tuple(shape))
                for name, shape in zip(self._handle.names, self._handle.shapes)]

    @property
    def elements(self) -> int:
        """Of all tensors together."""
        return self._handle.elements

    @property
    def nbytes(self) -> int:
        """Of all tensors together."""
        return 4 * self._handle.elements

    @property
    def fragments(self) -> int:
        """How many there are."""
        return self._handle.fragments

    @property
    def fingerprint(self) -> int:
        """Equal layouts have equal ones, on every machine."""
        return self._handle.fingerprint

    def __repr__(self) -> str:
        return f"Layout({len(self.tensors)} tensors, {self.elements} elements)"


def layout_handle(layout: Union[Layout, Mapping[str, Any], Iterable[Any]]) -> _tideway.Layout:
    return (layout if isinstance(layout, Layout) else Layout(layout))._handle
