"""What architectures cost: counted from shapes, or measured once and kept."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from models.networks.cost import Cost, Latency, cost, latency
from models.networks.meta import on_meta
from models.spaces import SearchSpace
from models.spaces.sizes import check_sizes

COSTS = ("parameters", "multiply_adds", "latency_ms")
"""Names of the costs, the cheapest to find out first."""


class Costs:
    """Costs of the networks that will be trained for the architectures of a space.

    Parameters and multiply–adds are counted on the meta device and count what is live
    (`models.networks.cost`). Latency, the median in milliseconds of one image, comes from a table
    or is measured: once, by the first process, which tells the others. So all processes must ask
    for the latencies of the same architectures in the same order.

    Args:
        space: whose architectures.
        in_shape: (channels, height, width) of an image.
        num_classes: of the data.
        sizes: of the network that will be trained, as `space.network` takes them; its own by
            default.
        latency: architecture to milliseconds, as `HardwareTable.bind` gives it; by default latency
            is measured on `device`.

    Attributes:
        device: where latencies are measured.

    Raises:
        ValueError: sizes that the networks of the space do not have.
    """

    def __init__(
        self,
        space: SearchSpace,
        in_shape: Sequence[int],
        num_classes: int,
        sizes: Mapping[str, Any] | None = None,
        latency: Callable[[Any], float] | None = None,
    ) -> None:
        self.space = space
        self.in_shape = tuple(in_shape)
        self.num_classes = num_classes
        self.sizes = dict(sizes or {})
        check_sizes(space.network, self.sizes, f"{space.name} networks")
        self.device = torch.device("cpu")
        self.measures = latency is None
        """Whether a latency is measured, and not looked up."""
        self._look_up = latency
        self._counted: dict[Any, Cost] = {}
        self._latencies: dict[str, Latency] = {}

    def of(self, architecture: Any, names: Iterable[str] = COSTS) -> dict[str, float]:
        """Return costs of an architecture by name; lower is cheaper.

        Args:
            architecture: of the space.
            names: among "parameters", "multiply_adds" and "latency_ms".

        Raises:
            ValueError: its network cannot take such images, or the table does not have it.
        """
        return {name: self._one(architecture, name) for name in names}

    def _one(self, architecture: Any, name: str) -> float:
        if name == "latency_ms":
            return self.latency(architecture).median
        if architecture not in self._counted:
            self._counted[architecture] = cost(
                on_meta(lambda: self._network(architecture)), self.in_shape
            )
        return float(getattr(self._counted[architecture], name))

    def latency(self, architecture: Any) -> Latency:
        """Return the latency and its spread in milliseconds. Raises ValueError as `of`."""
        text = self.space.format(architecture)
        if text not in self._latencies:
            self._latencies[text] = (
                self._measure(architecture)
                if self._look_up is None
                else Latency(self._look_up(architecture), 0.0)
            )
        return self._latencies[text]

    def state(self) -> dict[str, list[float]]:
        """Return the latencies found, which a resume decides on, as builtins."""
        return {text: list(found) for text, found in self._latencies.items()}

    def load_state(self, state: Mapping[str, Sequence[float]]) -> None:
        """Invert `state`."""
        self._latencies = {text: Latency(*found) for text, found in state.items()}

    def _network(self, architecture: Any) -> nn.Module:
        return self.space.network(architecture, self.num_classes, self.in_shape[0], **self.sizes)

    def _measure(self, architecture: Any) -> Latency:
        together = torch.distributed.is_available() and torch.distributed.is_initialized()
        told: list[Any] = [None]
        if not together or torch.distributed.get_rank() == 0:
            try:
                with torch.random.fork_rng([]):
                    network = self._network(architecture)
                told = [tuple(latency(network, self.in_shape, self.device))]
            except (ValueError, RuntimeError) as error:  # or the other processes wait for ever
                told = [f"latency_ms: {str(error).splitlines()[0]}"]
        if together:
            torch.distributed.broadcast_object_list(told, src=0)
        if isinstance(told[0], str):
            raise ValueError(told[0])
        return Latency(*told[0])
