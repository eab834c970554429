"""The blocks that a network is a chain of, and the features between them."""

from collections.abc import Sequence
from contextlib import ExitStack

from torch import Tensor, nn

_USUAL = ("stages", "cells", "blocks")


def blocks_of(network: nn.Module, attribute: str | None) -> Sequence[nn.Module]:
    """The children of the network's Sequential or ModuleList of that name.

    attribute: by default `stages`, `cells` or `blocks`, whichever the network has.

    Raises ValueError if there is no such child, or it is empty.
    """
    names = _USUAL if attribute is None else (attribute,)
    for name in names:
        blocks = network._modules.get(name)
        if isinstance(blocks, nn.Sequential | nn.ModuleList) and len(blocks):
            return list(blocks)
    raise ValueError(
        f"blocks: network ({type(network).__name__}) has no Sequential or ModuleList "
        f"named {' or '.join(map(repr, names))}"
    )


def block_features(
    network: nn.Module, images: Tensor, attribute: str | None
) -> tuple[list[Tensor], Tensor]:
    """Return the features that enter the first block and leave every block, and the outputs.

    Blocks are given copies, which they may overwrite: the features stay as they were.

    Raises ValueError as `blocks_of`, and for blocks that do not run once each.
    """
    blocks = blocks_of(network, attribute)
    features: list[Tensor] = []

    def enter(_: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        features.append(args[-1])
        return (*args[:-1], args[-1].clone())

    def leave(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> Tensor:
        features.append(output)
        return output.clone()

    with ExitStack() as hooks:
        hooks.callback(blocks[0].register_forward_pre_hook(enter).remove)
        for block in blocks:
            hooks.callback(block.register_forward_hook(leave).remove)
        outputs: Tensor = network(images)
    if len(features) != len(blocks) + 1:
        raise ValueError(
            f"blocks: {len(blocks)} blocks must run once each, they ran {len(features) - 1} times"
        )
    return features, outputs
