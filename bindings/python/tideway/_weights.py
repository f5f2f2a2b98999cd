"""Weight sync: whole versions of a model, published by a trainer and followed by an inference fleet, bit for bit."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

from tideway import _tideway
from tideway._runtime import Closable, Runtime, handle_of, keep

# As tideway_weight_type of the C ABI, and how struct and numpy call the words.
_TYPES = {"fp32": 1, "bf16": 2, "fp16": 3}
_NAMES_OF_DTYPES = {"float32": "fp32", "bfloat16": "bf16", "uint16": "bf16", "float16": "fp16"}


def type_of(name: str, tensor: Any) -> str:
    """Of an array's dtype: "fp32", "bf16" (in numpy: uint16 words) or "fp16"."""
    dtype = str(getattr(tensor, "dtype", "")).replace("torch.", "")
    if dtype in _NAMES_OF_DTYPES:
        return _NAMES_OF_DTYPES[dtype]
    raise TypeError(f"tensor '{name}' has the dtype '{dtype}'; weights are float32, bfloat16 (in "
                    "numpy: uint16) or float16")


class WeightModel:
    """Names, types and shapes of a model's tensors, in their order. A publisher's and its subscribers' must be equal.

    Args:
        tensors: by name, arrays or tensors (of which type and shape are used; ``model.state_dict()``), or pairs of "fp32", "bf16" or
            "fp16" and a shape.
    """

    def __init__(self, tensors: Mapping[str, Any]):
        self.tensors: List[Tuple[str, str, Tuple[int, ...]]] = []
        for name, tensor in tensors.items():
            if isinstance(tensor, tuple) and len(tensor) == 2 and isinstance(tensor[0], str):
                kind, shape = tensor
                if kind not in _TYPES:
                    raise ValueError(f"tensor '{name}' is of type '{kind}'; choose fp32, bf16 or fp16")
            else:
                kind, shape = type_of(name, tensor), tensor.shape
            self.tensors.append((name, kind, tuple(int(size) for size in shape)))
        self._handle = _tideway.Model([name for name, _, _ in self.tensors],
                                      [_TYPES[kind] for _, kind, _ in self.tensors],
                                      [list(shape) for _, _, shape in self.tensors])


def _model(model: Union[WeightModel, Mapping[str, Any]]) -> WeightModel:
    return model if isinstance(model, WeightModel) else WeightModel(model)


@dataclass(frozen=True)
class PublishReport:
    """What publishing one version took."""

    version: int
    epoch: int
    """Of this publisher's life."""
    bytes: int
    """Of the difference to the version before; 0 for the first one."""
    bytes_model: int
    """Of the weights."""
    seconds: float
    """That encoding took: once, for all subscribers."""


class Publisher(Closable):
    """Gives whole versions of a model's weights to all who follow it. What has changed since the version before is encoded once,
    losslessly; who is further behind, or new, is sent several differences or the whole.

    Args:
        model: a :class:`WeightModel`, or what one is made from.
        listen: addresses; port 0 takes a free one.
        links_max, history_bytes_max: differences kept for those who are behind; 0: 64, and as many bytes as the model has.
        subscribers_max: 0: 256. encode_threads: 0: one per core, at most 8.
        runtime: None: the package's own.
    """

    def __init__(self, model: Union[WeightModel, Mapping[str, Any]], *,
                 listen: Sequence[str] = ("tcp://127.0.0.1:0",), links_max: int = 0,
                 history_bytes_max: int = 0, subscribers_max: int = 0, encode_threads: int = 0,
                 runtime: Optional[Runtime] = None):
        self.model = _model(model)
        self._handle = _tideway.Publisher(
            handle_of(runtime), self.model._handle, {
                "listen": [listen] if isinstance(listen, str) else list(listen),
                "links_max": links_max,
                "history_bytes_max": history_bytes_max,
                "subscribers_max": subscribers_max,
                "encode_threads": encode_threads,
            })
        keep(self)

    @property
    def address(self) -> str:
        """What subscribers connect to: the first of ``listen``."""
        return self._handle.addresses[0]

    @property
    def addresses(self) -> List[str]:
        """All of them."""
        return self._handle.addresses

    def publish(self, version: int, weights: Mapping[str, Any]) -> PublishReport:
        """Encodes a version, without the GIL, and returns when it may be sent; waits for no subscriber.

        Args:
            version: above the last one.
            weights: the model's tensors by name: contiguous arrays in the CPU's memory of the model's types and shapes, read during the
                call only.
        """
        arrays = []
        for name, _, _ in self.model.tensors:
            if name not in weights:
                raise _tideway.InvalidArgument(f"tensor '{name}' is missing")
            arrays.append(weights[name])
        if len(weights) != len(arrays):
            extra = sorted(set(weights) - {name for name, _, _ in self.model.tensors})
            raise _tideway.InvalidArgument(f"the model has no tensor '{extra[0]}'")
        return PublishReport(version, *self._handle.publish(version, arrays))

    def stats(self) -> Dict[str, Any]:
        """What it has counted, with the names of tideway/publisher.h; ``subscribers`` are those that are connected."""
        return json.loads(self._handle.stats())

    def close(self) -> None:
        """Closes all connections and ends. Once or more."""
        self._free()

    def _free(self) -> None:
        self._handle.close()


class Weights(Mapping[str, Any]):
    """One whole version: read-only numpy arrays by name, views of the subscriber's memory that keep it alive. bf16 comes as uint16
    words; :meth:`copy_to` brings it into torch tensors of any of the types.
    """

    def __init__(self, handle: _tideway.Weights, model: WeightModel):
        self._handle = handle
        self._model = model
        self._places = {name: place for place, (name, _, _) in enumerate(model.tensors)}

    @property
    def version(self) -> int:
        """As it was published."""
        return self._handle.version

    @property
    def epoch(self) -> int:
        """Of the publisher's life that published it."""
        return self._handle.epoch

    def __getitem__(self, name: str) -> Any:
        import numpy
        return numpy.asarray(self._handle.tensor(self._places[name]))

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def copy_to(self, tensors: Mapping[str, Any]) -> None:
        """Copies into arrays or torch tensors of the same names, types and shapes, for example ``model.state_dict()``."""
        for name, kind, shape in self._model.tensors:
            target = tensors[name]
            if type_of(name, target) != kind or tuple(target.shape) != shape:
                raise _tideway.InvalidArgument(
                    f"tensor '{name}' is {type_of(name, target)} {list(target.shape)}; this version "
                    f"has {kind} {list(shape)}")
            if hasattr(target, "data_ptr"):
                import torch
                source = torch.frombuffer(bytearray(memoryview(self._handle.tensor(
                    self._places[name])).cast("B")), dtype=target.dtype).reshape(shape)
                target.detach().copy_(source)
            else:
                target[...] = self[name].view(target.dtype)


class Subscriber(Closable):
    """Follows a :class:`Publisher` and always has a whole version of the weights, or none. It connects, and connects again, for as
    long as it lives.

    Args:
        publisher: its address.
        model: a :class:`WeightModel`, or what one is made from; must be the publisher's.
        name: in the publisher's statistics; "": a random one.
        copies_max: of the model at a time, those that the program still holds included; 0: 3.
        runtime: None: the package's own.
    """

    def __init__(self, publisher: str, model: Union[WeightModel, Mapping[str, Any]], *,
                 name: str = "", copies_max: int = 0, runtime: Optional[Runtime] = None):
        self.model = _model(model)
        self._handle = _tideway.Subscriber(handle_of(runtime), self.model._handle, publisher, name,
                                           copies_max)
        keep(self)

    def current(self) -> Optional[Weights]:
        """The version in use; None: none has come yet. It does not change for as long as it is held."""
        weights = self._handle.current()
        return None if weights is None else Weights(weights, self.model)

    def wait(self, than: Optional[Weights] = None, timeout: Optional[float] = None) -> Weights:
        """Waits, without the GIL, until the version in use is another one than ``than`` (None: any); at most ``timeout`` seconds
        (None: without an end). Raises FailedPrecondition, naming the tensor, where the publisher has another model."""
        epoch, version = (0, 0) if than is None else (than.epoch, than.version)
        return Weights(self._handle.wait(epoch, version, timeout), self.model)

    def stats(self) -> Dict[str, Any]:
        """What it has counted, with the names of tideway/subscriber.h."""
        return json.loads(self._handle.stats())

    def close(self) -> None:
        """Ends every wait with Cancelled, and closes. Versions that are held stay. Once or more."""
        self._free()

    def _free(self) -> None:
        self._handle.close()
