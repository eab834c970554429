"""Contracts that a search space or an indicator of one's own can be held to.

Each check raises AssertionError with one line that says what is broken; call it from a test.
"""

import inspect
import itertools
import json
import math
import random
from typing import Any, Literal

import torch
from torch import Tensor, nn

from models.indicators import Indicator
from models.search.constraints import noise
from models.seeding import seed_global
from models.spaces import NasBench201Space, SearchSpace, SupernetSpace
from models.spaces.sizes import check_sizes
from models.topology import effective_depth_width

_SMALL = 100  # a space of at most so many architectures must be drawn whole
_CLASSES = 5


def check_indicator(
    indicator: Indicator, network: nn.Module | None = None, in_shape: tuple[int, ...] = (3, 8, 8)
) -> None:
    """Hold an indicator to what searches rely on.

    It has a name and a direction; its score is a finite number, the same from the same random
    state and to rounding on one thread and on two, under `torch.inference_mode` too; it leaves the
    network as it was; it refuses a single image by ValueError, unless it looks at no image; it
    keeps its arguments as attributes of the same name.

    Args:
        indicator: to check.
        network: to score; by default a tiny one of NAS-Bench-201 with five classes, for an
            indicator of `proxy = "regions"` the thin supernet.
        in_shape: (C, H, W) of the images that the network takes.

    Raises:
        AssertionError: what is broken.
    """
    kind = type(indicator).__name__
    assert isinstance(indicator, Indicator), f"{kind} is no models.indicators.Indicator"
    for attribute, type_ in (("name", str), ("higher_is_better", bool)):
        value = getattr(indicator, attribute, None)
        assert type(value) is type_, f"{kind}.{attribute} is {value!r}, expected a {type_.__name__}"
    for argument in list(inspect.signature(type(indicator).__init__).parameters.values())[1:]:
        if argument.kind not in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD):
            assert _keeps(indicator, argument.name), f"{kind} has no attribute {argument.name}"
    if network is None:
        network, in_shape = _tiny_network(indicator.proxy)
    images, labels = noise(8, in_shape, _CLASSES)

    def score() -> float:
        seed_global(torch.device("cpu"), 0)
        value = float(indicator.score(network, images, labels))
        assert math.isfinite(value), f"{kind}: the score is {value}"
        return value

    with torch.random.fork_rng([]):
        before = _state(network)
        first = score()
        changed = [name for name, value in _state(network).items() if value != before.get(name)]
        assert not changed, f"{kind} changes the network: {changed[0]}"
        assert score() == first, f"{kind}: another score from the same random state"
        with torch.inference_mode():
            inferred = score()
        assert math.isclose(inferred, first, rel_tol=1e-4), f"{kind}: {inferred} in inference mode"
        threads = torch.get_num_threads()
        try:
            for number in (1, 2):
                torch.set_num_threads(number)
                again = score()
                assert math.isclose(again, first, rel_tol=1e-3), f"{kind}: {again} on {number}"
        finally:
            torch.set_num_threads(threads)
        _check_single_image(indicator, network, images[:1], labels[:1], first)


def _keeps(indicator: Indicator, argument: str) -> bool:
    return hasattr(indicator, argument) or hasattr(indicator, f"_{argument}")


def _tiny_network(proxy: str) -> tuple[nn.Module, tuple[int, ...]]:
    space = NasBench201Space()
    torch.default_generator.manual_seed(0)
    if proxy == "regions":
        return space.region_network(_CLASSES).train(), (1, 3, 3)
    cell = "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_3x3~2|"
    network = space.network(space.parse(cell), _CLASSES, 3, channels=2, cells_per_stage=1)
    return network.train(), (3, 8, 8)


def _state(network: nn.Module) -> dict[str, Any]:
    """Everything of a network that an indicator could leave changed, comparable."""
    state: dict[str, Any] = {}
    for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
        state[name] = tensor.detach().flatten().tolist()
        state[f"{name}.grad"] = None if tensor.grad is None else tensor.grad.flatten().tolist()
        state[f"{name}.requires_grad"] = tensor.requires_grad
    for name, module in network.named_modules():
        state[f"{name} (mode)"] = module.training
        state[f"{name} (forward)"] = vars(module).get("forward")
    return state


def _check_single_image(
    indicator: Indicator, network: nn.Module, image: Tensor, label: Tensor, of_many: float
) -> None:
    """Raise AssertionError unless it refuses a single image, or does not look at images."""
    try:
        if float(indicator.score(network, image, label)) == of_many:
            return
    except ValueError:
        return
    except Exception as error:
        kind = type(error).__name__
        raise AssertionError(f"{type(indicator).__name__}: {kind} for a single image") from error
    raise AssertionError(f"{type(indicator).__name__} scores a single image, expected ValueError")


def check_space(space: SearchSpace, in_shape: tuple[int, int, int] = (3, 32, 32)) -> None:
    """Hold a search space to what searches rely on, on a few dozen architectures.

    Texts and JSON values read back as the same, hashable architecture; a draw advances the given
    generator alone, and every architecture of a small space is drawn; texts that are damaged give
    an architecture or a ValueError; networks take the sizes of the proxies and return logits;
    topologies, where there are any, have a depth and a width; `architectures`, where it is defined,
    lists different ones of the space, all of a small one; `mutate`, where it is defined, gives
    another architecture of the space, `crossover` and `canonical` one of the space, and `canonical`
    changes nothing twice. In a `SupernetSpace` an architecture and its mask stand for each other,
    and both supernets run.

    Args:
        space: to check.
        in_shape: (C, H, W) of images that its networks take.

    Raises:
        AssertionError: what is broken.
    """
    kind = type(space).__name__
    assert isinstance(space, SearchSpace), f"{kind} is no models.spaces.SearchSpace"
    assert isinstance(getattr(space, "name", None), str), f"{kind}.name is no text"
    count = space.count
    assert isinstance(count, int), f"{kind}.count is {count!r}, expected a whole number"
    assert count > 0, f"{kind}.count is {count}, expected 1 or more"
    drawn = _draws(space)
    for architecture in drawn[:20]:
        text = space.format(architecture)
        assert space.parse(text) == architecture, f"{kind}.parse gives another one for {text}"
        value = json.loads(json.dumps(space.to_json(architecture)))
        assert space.from_json(value) == architecture, f"{kind}.from_json: another one for {value}"
        _check_damaged(space, text)
        for graph in space.topologies(architecture).values():
            effective_depth_width(graph)
        if type(space).mutate is not SearchSpace.mutate:
            near = space.mutate(architecture, torch.Generator().manual_seed(0))
            assert near != architecture, f"{kind}.mutate gives the same architecture"
            assert _is_member(space, near), f"{kind}.mutate leaves the space"
        child = space.crossover(architecture, drawn[-1], torch.Generator().manual_seed(0))
        assert _is_member(space, child), f"{kind}.crossover leaves the space"
        same = space.canonical(architecture)
        assert _is_member(space, same), f"{kind}.canonical leaves the space"
        assert space.canonical(same) == same, f"{kind}.canonical of {text} has another canonical"
    if type(space).architectures is not SearchSpace.architectures:
        listed = list(itertools.islice(space.architectures(), _SMALL + 1))
        expected = min(count, _SMALL + 1)
        found = len(set(listed))
        assert found == expected, (
            f"{kind}.architectures lists {found}{' or more' * (found > _SMALL)}, count is {count}"
        )
        assert all(_is_member(space, one) for one in listed), f"{kind}.architectures leaves it"
    sizes_of: tuple[Literal["small", "paper"], ...] = ("small", "paper")
    for size in sizes_of:
        sizes = space.proxy(size, "any").network
        check_sizes(space.network, sizes, f"{space.name} networks")
    small = space.proxy("small", "any").network
    images, _ = noise(2, in_shape, _CLASSES)
    for architecture in drawn[:3]:
        network = space.network(architecture, _CLASSES, in_shape[0], **small)
        shape = tuple(network(images).shape)
        assert shape == (2, _CLASSES), f"{kind}.network returns {shape}, expected (2, {_CLASSES})"
    if isinstance(space, SupernetSpace):
        _check_masks(space, drawn[:10], images)


def _draws(space: SearchSpace) -> list[Any]:
    kind, state = type(space).__name__, torch.get_rng_state()
    first, second = (torch.Generator().manual_seed(0) for _ in range(2))
    number = 20 * space.count if space.count <= _SMALL else 50
    drawn = [space.random_architecture(first) for _ in range(number)]
    again = [space.random_architecture(second) for _ in range(number)]
    assert drawn == again, f"{kind}.random_architecture is no function of the generator alone"
    assert torch.equal(state, torch.get_rng_state()), f"{kind} draws from the global random state"
    different = len(set(drawn))
    expected = space.count if space.count <= _SMALL else min(space.count, 10)
    assert different >= expected, f"{kind}: {number} draws give {different} architectures"
    return list(dict.fromkeys(drawn))


def _is_member(space: SearchSpace, architecture: Any) -> bool:
    return bool(space.parse(space.format(architecture)) == architecture)


def _check_damaged(space: SearchSpace, text: str) -> None:
    """Cut, double and exchange characters: an architecture, or one line of ValueError."""
    chance = random.Random(text)
    for _ in range(10):
        a, b = sorted(chance.choices(range(len(text) + 1), k=2))
        ends = text[:a], text[b:]
        damaged = chance.choice(["".join(ends), text[:b] + text[a:], "?".join(ends)])
        lines: list[str] = []
        try:
            found = space.parse(damaged)
        except ValueError as error:
            lines = str(error).splitlines()
        else:
            assert space.parse(space.format(found)) == found, f"parse({damaged!r}) is no member"
        assert len(lines) < 2, f"{type(space).__name__}.parse: an error of {len(lines)} lines"


def _check_masks(space: SupernetSpace, drawn: list[Any], images: Tensor) -> None:
    kind = type(space).__name__
    for architecture in drawn:
        mask = space.mask_of(architecture)
        assert mask.shape == space.full_mask().shape, f"{kind}.mask_of: shape {tuple(mask.shape)}"
        assert not (mask & ~space.full_mask()).any(), f"{kind}.mask_of keeps what no mask keeps"
        written = space.format(architecture)
        found = space.mask_of(space.architecture_of(mask))
        assert torch.equal(found, mask), f"{kind}.architecture_of: another one for {written}"
        graphs, of_mask = space.topologies(architecture), space.topologies(mask)
        for name, graph in graphs.items():
            own, other = effective_depth_width(graph), effective_depth_width(of_mask[name])
            same = all(map(math.isclose, own, other))
            assert same, f"{kind}: depth and width of {written} differ from those of its mask"
    logits = space.supernet(_CLASSES, images.shape[1])(images)
    assert logits.shape == (2, _CLASSES), f"{kind}.supernet returns {tuple(logits.shape)}"
    crops = torch.zeros(2, 1, 3, 3)
    shape = tuple(space.region_network(_CLASSES)(crops).shape)
    assert shape == (2, _CLASSES), f"{kind}.region_network returns {shape}"
