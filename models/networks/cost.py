"""Cost of a network: live parameters, layers and multiply–adds from shapes, latency measured."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node, get_gradient_edge
from torch.func import functional_call
from torch.utils.benchmark import Measurement, Timer
from torch.utils.flop_counter import FlopCounterMode

from models.networks.meta import shapes_only
from models.networks.operations import Zero

_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
_IMAGES = 2  # modules that squeeze a batch of one see two


class Cost(NamedTuple):
    """Cost of the live part of a network for one image; lower is cheaper.

    Live is what lies on a path from the input to the output: an operation that `none` alone feeds,
    or that feeds `none` alone, costs nothing, as it can be left out of what is deployed.
    """

    parameters: int
    """Numbers in live parameters, trainable or frozen."""
    layers: int
    """Linear and convolution layers with live parameters."""
    multiply_adds: int
    """Multiply–adds of convolutions and matrix products, as `torch.utils.flop_counter` counts them
    (floating-point operations are twice this)."""


def cost(network: nn.Module, in_shape: Sequence[int]) -> Cost:
    """Count what is live of a network in evaluation mode, from shapes alone.

    Nothing is computed (meta device), and the network is left as it was found. `none` is seen as
    such where it is `models.networks.operations.Zero`. What `forward` does not run in evaluation
    mode, such as an auxiliary head, does not count.

    Args:
        network: images (N, C, H, W) to one tensor.
        in_shape: (C, H, W) of an image.

    Raises:
        ValueError: a network that cannot take such images, or whose forward needs their values.
    """
    weights = {
        parameter: torch.empty_like(parameter, device="meta").requires_grad_()
        for parameter in network.parameters()
    }
    buffers = {buffer: torch.empty_like(buffer, device="meta") for buffer in network.buffers()}
    # Every place once, tied or not: of a module with two names, `functional_call` with its own
    # handling of ties leaves the substitute in place.
    places = {
        f"{path}.{name}".lstrip("."): twins[tensor]
        for path, module in network.named_modules()
        for twins, tensors in (
            (weights, module.named_parameters(recurse=False, remove_duplicate=False)),
            (buffers, module.named_buffers(recurse=False, remove_duplicate=False)),
        )
        for name, tensor in tensors
    }
    training = [module for module in network.modules() if module.training]
    network.eval()
    try:
        live, operations = _trace(
            network,
            lambda images: functional_call(network, places, (images,), tie_weights=False),
            torch.empty(_IMAGES, *in_shape, device="meta"),
            count=True,
        )
    except (RuntimeError, NotImplementedError) as error:
        raise _refusal(in_shape, error) from error
    finally:
        for module in training:
            module.training = True
    kept: set[Tensor] = {parameter for parameter, twin in weights.items() if twin in live}
    return Cost(
        sum(p.numel() for p in kept), len(layers_with(network, kept)), operations // 2 // _IMAGES
    )


def parameters(network: nn.Module, in_shape: Sequence[int]) -> int:
    """Count the numbers in live parameters. Raises ValueError as `cost`."""
    return cost(network, in_shape).parameters


def multiply_adds(network: nn.Module, in_shape: Sequence[int]) -> int:
    """Count the live multiply–adds of one image. Raises ValueError as `cost`."""
    return cost(network, in_shape).multiply_adds


class Latency(NamedTuple):
    """Time of a forward pass in milliseconds; lower is faster."""

    median: float
    interquartile_range: float
    """Of the same; 0 where it is not known."""


def latency(
    network: nn.Module,
    in_shape: Sequence[int],
    device: torch.device | str | None = None,
    compiled: bool = False,
    batch: int = 1,
) -> Latency:
    """Measure how long a forward pass in evaluation mode takes (`torch.utils.benchmark`).

    On one thread, after a pass to warm up, for half a second or so; on a device that works
    asynchronously until it is done. The network is left on the device it was on, and in its mode.

    Args:
        network: images (N, C, H, W) to one tensor.
        in_shape: (C, H, W) of an image.
        device: where it runs; by default where the network is.
        compiled: run what `torch.compile` makes of it.
        batch: images per pass.

    Raises:
        ValueError: a network that cannot take such images, or a batch below 1.
    """
    if batch < 1:
        raise ValueError(f"batch: expected 1 or more, got {batch}")
    own = next((p.device for p in network.parameters()), torch.device("cpu"))
    training = [module for module in network.modules() if module.training]
    images = torch.zeros(batch, *in_shape, device=device or own)
    network.eval().to(images.device)
    run = torch.compile(network) if compiled else network
    try:
        with torch.inference_mode():
            run(images)
            timer = Timer("run(images)", globals={"run": run, "images": images}, num_threads=1)
            # One alone may be a single block, which has no spread.
            blocks = [timer.blocked_autorange(min_run_time=0.05) for _ in range(5)]
    except (RuntimeError, NotImplementedError) as error:
        raise _refusal(in_shape, error) from error
    finally:
        network.to(own)
        for module in training:
            module.training = True
    (measured,) = Measurement.merge(blocks)
    return Latency(1000 * measured.median, 1000 * measured.iqr)


def _refusal(in_shape: Sequence[int], error: Exception) -> ValueError:
    shape, reason = "×".join(map(str, in_shape)), str(error).splitlines()[0]
    return ValueError(f"in_shape: the network cannot take images of {shape}: {reason}")


def live_parameters(network: nn.Module, images: Tensor) -> set[Tensor]:
    """Find the live parameters by a forward pass, in the mode that the network is in.

    Of a small network this takes a tenth of the time of `cost`. Frozen parameters are not seen.

    Args:
        network: images to one tensor.
        images: (N, C, H, W), with gradients enabled.

    Raises:
        ValueError: it returns something else.
    """
    return _trace(network, network, images, count=False)[0]


def live_operations(network: nn.Module, images: Tensor) -> int:
    """Count the floating-point operations of live modules by a forward pass of all the images.

    Args and errors as `live_parameters`.
    """
    return _trace(network, network, images, count=True)[1]


def layers_with(network: nn.Module, parameters: set[Tensor]) -> list[nn.Module]:
    """List the linear and convolution layers that own some of these parameters."""
    return [
        module
        for module in network.modules()
        if isinstance(module, _LAYERS) and not parameters.isdisjoint(module.parameters())
    ]


class _Call(NamedTuple):
    """A call of a module without children: its operations, and where its output came from."""

    operations: int
    node: Node | None


def _trace(
    network: nn.Module, forward: Callable[[Tensor], Any], images: Tensor, count: bool
) -> tuple[set[Tensor], int]:
    """Run a forward; return the live leaves and, if asked to count, the live operations."""
    images = images.detach().requires_grad_()
    dead = images.new_zeros((), requires_grad=True)
    counter = FlopCounterMode(display=False)
    calls: list[_Call] = []
    operations = counter.get_total_flops if count else lambda: 0
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        counter if count else nullcontext(),
        shapes_only(network) if images.is_meta else nullcontext(),
        _recorded(network, operations, dead, calls),
    ):
        output = forward(images)
    if not isinstance(output, Tensor):
        raise ValueError(f"network must return a tensor, returned {type(output).__name__}")
    live = _live(output, images, dead)
    unused = [c.operations for c in calls if c.node is not None and c.node not in live]
    leaves = {node.variable for node in live if hasattr(node, "variable")} - {images, dead}
    return leaves, operations() - sum(unused)


@contextmanager
def _recorded(
    network: nn.Module, operations: Callable[[], int], dead: Tensor, calls: list[_Call]
) -> Iterator[None]:
    """Note the calls of modules without children, and let `Zero` start from `dead`."""
    before: dict[nn.Module, int] = {}

    def enter(module: nn.Module, _: Any) -> None:
        before[module] = operations()

    def leave(module: nn.Module, _: Any, output: Any) -> Any:
        if isinstance(output, Tensor):
            calls.append(_Call(operations() - before[module], output.grad_fn))
        return dead.expand_as(output) if isinstance(module, Zero) else output

    with ExitStack() as hooks:
        for module in network.modules():
            if next(module.children(), None) is None:
                hooks.callback(module.register_forward_pre_hook(enter).remove)
                hooks.callback(module.register_forward_hook(leave).remove)
        yield


def _live(output: Tensor, images: Tensor, dead: Tensor) -> set[Node]:
    """Walk from the output to its leaves, but for what starts from `dead` and not from `images`."""
    root = get_gradient_edge(output).node
    order: list[Node] = []  # children before parents
    seen: set[Node] = set()
    stack = [(root, False)]
    while stack:
        node, left = stack.pop()
        if left:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack += [(child, False) for child, _ in node.next_functions if child is not None]
    sources = {get_gradient_edge(images).node: 1, get_gradient_edge(dead).node: 2}
    of_node: dict[Node, int] = {}  # bits: 1 from the images, 2 from `dead`
    for node in order:
        of_node[node] = sources.get(node, 0)
        for child, _ in node.next_functions:
            if child is not None:
                of_node[node] |= of_node[child]
    live: set[Node] = set()
    walk = [root]
    while walk:
        node = walk.pop()
        if node not in live and of_node[node] != 2:
            live.add(node)
            walk += [child for child, _ in node.next_functions if child is not None]
    return live
