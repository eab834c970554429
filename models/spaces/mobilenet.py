"""The MobileNet space: chains of inverted residuals, MobileNetV2 among them."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from math import prod
from typing import Any, ClassVar, Literal

import networkx as nx
import torch

from models.networks.mobilenet import MobileNet, MobileStage, mobile_blocks
from models.spaces.base import ProxySetting, SearchSpace
from models.spaces.draws import pick, pick_other
from models.spaces.extremes import Extremes
from models.topology._shown import shown
from models.topology.residual_chain import residual_chain

_NUMBER = "([1-9][0-9]{0,3})"
_STAGE = re.compile(f"k{_NUMBER}_e{_NUMBER}_c{_NUMBER}_n{_NUMBER}_se([01])")
_SHAPE = "k3_e6_c24_n2_se0"
_KINDS = {"kernel": int, "expansion": int, "width": int, "depth": int, "squeeze": bool}


@dataclass(frozen=True)
class MobileChain:
    """An architecture of the MobileNet space.

    Args:
        stages: seven, from the image to the logits.

    Raises:
        ValueError: another number of stages, or a stage that the space does not have.
    """

    stages: tuple[MobileStage, ...]

    KERNELS: ClassVar[tuple[int, ...]] = (3, 5, 7)
    EXPANSIONS: ClassVar[tuple[int, ...]] = (1, 3, 4, 6)
    WIDTHS: ClassVar[tuple[tuple[int, ...], ...]] = (
        (8, 16, 24),
        (8, 16, 24, 32),
        (8, 16, 32, 40),
        (16, 32, 64, 80),
        (24, 48, 96, 120),
        (40, 80, 160, 200),
        (40, 80, 160, 320),
    )
    """By stage; MobileNetV2 has 16, 24, 32, 64, 96, 160 and 320."""
    DEPTHS: ClassVar[tuple[int, ...]] = (1, 2, 3, 4)
    SQUEEZES: ClassVar[tuple[bool, ...]] = (False, True)

    def __post_init__(self) -> None:
        if len(self.stages) != len(self.WIDTHS):
            raise ValueError(
                f"MobileNet: expected {len(self.WIDTHS)} stages, got {len(self.stages)}: "
                f"{shown(_written(self.stages))}"
            )
        for number, stage in enumerate(self.stages, start=1):
            for name, values in self.choices(number - 1).items():
                if getattr(stage, name) not in values:
                    raise ValueError(
                        f"MobileNet: stage {number} is {shown(_written([stage]))}: {name} must be "
                        f"one of {', '.join(map(str, values))}"
                    )

    @classmethod
    def choices(cls, stage: int) -> dict[str, tuple[int, ...]]:
        """What may be chosen in a stage, counted from 0, by the name of the field."""
        return {
            "kernel": cls.KERNELS,
            "expansion": cls.EXPANSIONS,
            "width": cls.WIDTHS[stage],
            "depth": cls.DEPTHS,
            "squeeze": cls.SQUEEZES,
        }


class MobileNetSpace(SearchSpace[MobileChain]):
    """Architectures are `MobileChain`s: seven stages joined by `-`, each `k3_e6_c24_n2_se0`.

    A stage is n blocks of kernel k×k, expansion e and c maps, with or without squeeze-excitation.
    Where maps are halved is no choice of the space but follows from the images: `reduction`.
    """

    name = "mobilenet"
    mobilenet_v2 = MobileChain(
        tuple(
            MobileStage(3, expansion, width, depth, squeeze=False)
            for expansion, width, depth in (
                (1, 16, 1),
                (6, 24, 2),
                (6, 32, 3),
                (6, 64, 4),
                (6, 96, 3),
                (6, 160, 3),
                (6, 320, 1),
            )
        )
    )
    """MobileNetV2 of width 1.0: 3,504,872 parameters for 1,000 classes."""

    @property
    def count(self) -> int:
        """About 9 · 10^17: five choices in each of seven stages."""
        return prod(
            len(values)
            for stage in range(len(MobileChain.WIDTHS))
            for values in MobileChain.choices(stage).values()
        )

    def parse(self, text: str) -> MobileChain:
        """Read `k3_e1_c16_n1_se0-k3_e6_c24_n2_se0-…`.

        Raises:
            ValueError: one line that quotes the offending part.
        """
        if not isinstance(text, str):
            raise ValueError(f"MobileNet: expected a string, got {shown(text)}")
        stages = []
        for part in text.strip().split("-"):
            match = _STAGE.fullmatch(part)
            if match is None:
                raise ValueError(f"MobileNet: {shown(part)} is no stage, such as {_SHAPE}")
            stages.append(_stage(*map(int, match.groups())))
        return MobileChain(tuple(stages))

    def format(self, architecture: MobileChain) -> str:
        """The text that `parse` reads."""
        return _written(_own(architecture).stages)

    def to_json(self, architecture: MobileChain) -> list[dict[str, int]]:
        """A dictionary of kernel, expansion, width, depth and squeeze for every stage."""
        return [asdict(stage) for stage in _own(architecture).stages]

    def from_json(self, value: Any) -> MobileChain:
        """Invert `to_json`. Raises ValueError as `parse` does."""
        if not isinstance(value, list):
            raise ValueError(f"MobileNet: expected a list of stages, got {shown(value)}")
        for stage in value:
            kinds = {k: type(v) for k, v in stage.items()} if isinstance(stage, dict) else {}
            if kinds != _KINDS:
                raise ValueError(
                    f"MobileNet: {shown(stage)} is no stage: expected whole numbers kernel, "
                    "expansion, width and depth, and squeeze true or false"
                )
        return MobileChain(tuple(_stage(**stage) for stage in value))

    def random_architecture(self, generator: torch.Generator) -> MobileChain:
        """Draw every choice, and so an architecture, uniformly."""
        drawn = [
            {name: pick(values, generator) for name, values in MobileChain.choices(stage).items()}
            for stage in range(len(MobileChain.WIDTHS))
        ]
        return MobileChain(tuple(_stage(**values) for values in drawn))

    def mutate(self, architecture: MobileChain, generator: torch.Generator) -> MobileChain:
        """Draw another value of one of the 35 choices, both uniformly."""
        stages = list(_own(architecture).stages)
        place = pick(range(len(stages)), generator)
        name, values = pick(list(MobileChain.choices(place).items()), generator)
        new = pick_other(values, getattr(stages[place], name), generator)
        stages[place] = _stage(**(asdict(stages[place]) | {name: new}))
        return MobileChain(tuple(stages))

    def crossover(
        self, first: MobileChain, second: MobileChain, generator: torch.Generator
    ) -> MobileChain:
        """Take each of the 35 choices from one of the two, with equal chances."""
        pairs = zip(_own(first).stages, _own(second).stages, strict=True)
        taken = [
            {name: pick((getattr(a, name), getattr(b, name)), generator) for name in _KINDS}
            for a, b in pairs
        ]
        return MobileChain(tuple(_stage(**values) for values in taken))

    def topologies(self, architecture: MobileChain) -> "dict[str, nx.DiGraph[int]]":
        """{"network": graph} of the blocks; residual connections are skips (`mobile_blocks`)."""
        return {"network": residual_chain(mobile_blocks(_own(architecture).stages))}

    def extremes(self) -> Extremes:
        """Return the extremes over all chains: depth in [7, 35], width in [1/14, 2^21 / 17.5].

        A stage of n blocks, o operations each, adds o (n + 1) / 2 to d̄ and n − 1 residual
        connections; r of them make 2^r paths, all of which cross an operation.
        """
        stages, depths = len(MobileChain.WIDTHS), MobileChain.DEPTHS
        fewest, most = Fraction(stages), Fraction(stages * (max(depths) + 1))
        residual = stages * (max(depths) - 1)
        return Extremes((fewest, most), (1 / (2 * fewest), 2**residual / (most / 2)))

    def proxy(self, size: Literal["small", "paper"], indicator: str) -> ProxySetting:
        """All maps of an architecture, but small ones; or those of ImageNet, 32 times reduced."""
        if size == "small":
            return ProxySetting({"reduction": 16}, 16)
        return ProxySetting({"reduction": 32}, 128)

    def network(
        self,
        architecture: MobileChain,
        num_classes: int = 10,
        in_channels: int = 3,
        reduction: int = 8,
    ) -> MobileNet:
        """Build the chain between MobileNetV2's stem and head.

        `reduction` is how many times smaller the last maps are than the image: 8 suits 32×32, 16
        suits 64×64, and 32 is that of 224×224.

        Raises:
            ValueError: another reduction than 1, 2, 4, 8, 16 and 32.
        """
        return MobileNet(_own(architecture).stages, num_classes, in_channels, reduction)


def _stage(kernel: int, expansion: int, width: int, depth: int, squeeze: int) -> MobileStage:
    return MobileStage(kernel, expansion, width, depth, bool(squeeze))


def _written(stages: Sequence[MobileStage]) -> str:
    return "-".join(
        f"k{s.kernel}_e{s.expansion}_c{s.width}_n{s.depth}_se{int(s.squeeze)}" for s in stages
    )


def _own(architecture: MobileChain) -> MobileChain:
    """Refuse an architecture of another space."""
    if not isinstance(architecture, MobileChain):
        raise ValueError(f"architecture: expected a MobileChain, got {type(architecture).__name__}")
    return architecture
