"""The vision-transformer space: the choices of AutoFormer-tiny (Chen et al., arXiv 2107.00651)."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Literal

import networkx as nx
import torch

from models.networks.vision_transformer import (
    TransformerLayer,
    VisionTransformer,
    transformer_blocks,
)
from models.spaces.base import ProxySetting, SearchSpace
from models.spaces.draws import pick, pick_other
from models.spaces.extremes import Extremes
from models.topology._shown import shown
from models.topology.residual_chain import residual_chain

_FIELDS = ("embedding", "depth", "mlp_ratios", "heads")
_NUMBER, _LIST = r"\s*([0-9]{1,6})\s*", r'\s*"?(\[[0-9., ]{0,500}\])"?\s*'
_TEXT = re.compile(",".join((_NUMBER, _NUMBER, _LIST, _LIST)))
_SHAPE = "192,12,[3.5,4.0,…],[3,4,…]: embedding, depth, and MLP ratio and heads of every layer"


@dataclass(frozen=True)
class TransformerArchitecture:
    """An architecture of the vision-transformer space.

    Args:
        embedding: numbers per token.
        mlp_ratios: of every layer, its MLP's inner numbers by the embedding.
        heads: of every layer, of 64 numbers each.

    Raises:
        ValueError: a value that the space does not have; names it.
    """

    embedding: int
    mlp_ratios: tuple[float, ...]
    heads: tuple[int, ...]

    EMBEDDINGS: ClassVar[tuple[int, ...]] = (192, 216, 240)
    DEPTHS: ClassVar[tuple[int, ...]] = (12, 13, 14)
    MLP_RATIOS: ClassVar[tuple[float, ...]] = (3.5, 4.0)
    HEADS: ClassVar[tuple[int, ...]] = (3, 4)

    def __post_init__(self) -> None:
        for name, values, allowed in (
            ("embedding", (self.embedding,), self.EMBEDDINGS),
            ("depth", (len(self.mlp_ratios),), self.DEPTHS),
            ("mlp_ratios", self.mlp_ratios, self.MLP_RATIOS),
            ("heads", self.heads, self.HEADS),
        ):
            for value in values:
                if value not in allowed:
                    raise ValueError(
                        f"transformer: {name}: expected {' or '.join(map(str, allowed))}, "
                        f"got {shown(value)}"
                    )
        if len(self.heads) != len(self.mlp_ratios):
            raise ValueError(
                f"transformer: heads: expected {len(self.mlp_ratios)} as there are mlp_ratios, "
                f"got {len(self.heads)}: {shown(list(self.heads))}"
            )

    @property
    def depth(self) -> int:
        """Number of layers."""
        return len(self.heads)

    @property
    def layers(self) -> tuple[TransformerLayer, ...]:
        """Sizes of every layer."""
        return tuple(
            TransformerLayer(heads, int(self.embedding * ratio))
            for ratio, heads in zip(self.mlp_ratios, self.heads, strict=True)
        )


class VisionTransformerSpace(SearchSpace[TransformerArchitecture]):
    """Architectures are `TransformerArchitecture`s, written `192,12,[3.5,4.0,…],[3,4,…]`.

    These are embedding, depth, MLP ratios and heads, the columns of tables of AutoFormer. The
    networks are DeiT's, with a class token and learnt positions, but for heads of 64 numbers
    whatever the embedding; AutoFormer's also have relative positions and average the tokens.
    """

    name = "vision_transformer"
    unsuited: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(
            ("activation_overlap", "swap"),
            "reads the signs of ReLUs, of which transformers have none; NTKConditionNumber works "
            "on their networks",
        ),
        "meco": "correlates feature maps, and transformers have tokens; Near works on them",
        "vkdnw": "knows no derivative by layer normalisations and positions; NTKConditionNumber "
        "works on such networks",
    }
    deit_tiny = TransformerArchitecture(192, (4.0,) * 12, (3,) * 12)
    """DeiT-tiny (arXiv 2012.12877): 5,717,416 parameters for 1,000 classes and 224×224."""

    @property
    def count(self) -> int:
        """1,056,964,608: three embeddings, and four kinds of each of 12 to 14 layers."""
        kinds = len(TransformerArchitecture.MLP_RATIOS) * len(TransformerArchitecture.HEADS)
        chains: int = sum(kinds**depth for depth in TransformerArchitecture.DEPTHS)
        return len(TransformerArchitecture.EMBEDDINGS) * chains

    def parse(self, text: str) -> TransformerArchitecture:
        """Read `192,12,[3.5, 4.0, …],[3, 4, …]`, lists in quotes or not, or JSON of the same names.

        Raises:
            ValueError: one line that quotes the offending part.
        """
        if not isinstance(text, str):
            raise ValueError(f"transformer: expected a string, got {shown(text)}")
        text = text.strip()
        if text.startswith("{"):
            return self.from_json(_json(text))
        match = _TEXT.fullmatch(text)
        if match is None:
            raise ValueError(f"transformer: {shown(text)} is not of the form {_SHAPE}")
        return self.from_json(dict(zip(_FIELDS, match.groups(), strict=True)))

    def format(self, architecture: TransformerArchitecture) -> str:
        """The text that `parse` reads."""
        ratios, heads = (
            ",".join(map(str, values))
            for values in (_own(architecture).mlp_ratios, architecture.heads)
        )
        return f"{architecture.embedding},{architecture.depth},[{ratios}],[{heads}]"

    def to_json(self, architecture: TransformerArchitecture) -> dict[str, Any]:
        """A dictionary of embedding, depth, mlp_ratios and heads."""
        one = _own(architecture)
        values = (one.embedding, one.depth, list(one.mlp_ratios), list(one.heads))
        return dict(zip(_FIELDS, values, strict=True))

    def from_json(self, value: Any) -> TransformerArchitecture:
        """Invert `to_json`; values may be text, as a row of a table has them.

        Raises:
            ValueError: one line that quotes the offending part.
        """
        if not isinstance(value, dict) or set(value) != set(_FIELDS):
            raise ValueError(
                f"transformer: expected a dictionary of {', '.join(_FIELDS)}, got {shown(value)}"
            )
        plain = {k: _json(v) if isinstance(v, str) else v for k, v in value.items()}
        for name in _FIELDS[:2]:
            if type(plain[name]) is not int:
                raise ValueError(
                    f"transformer: {name}: expected a whole number, got {shown(value[name])}"
                )
        for name, kinds in (("mlp_ratios", (int, float)), ("heads", (int,))):
            listed = plain[name]
            if not isinstance(listed, list) or any(type(one) not in kinds for one in listed):
                raise ValueError(
                    f"transformer: {name}: expected a list of numbers, got {shown(value[name])}"
                )
            if len(listed) != plain["depth"]:
                raise ValueError(
                    f"transformer: {name}: expected {plain['depth']}, the depth, got "
                    f"{len(listed)}: {shown(value[name])}"
                )
        # 4 is 4.0; no float() before it is known to be one of those
        known = {ratio: ratio for ratio in TransformerArchitecture.MLP_RATIOS}
        ratios = tuple(known.get(ratio, ratio) for ratio in plain["mlp_ratios"])
        return TransformerArchitecture(plain["embedding"], ratios, tuple(plain["heads"]))

    def random_architecture(self, generator: torch.Generator) -> TransformerArchitecture:
        """Draw every choice uniformly: embedding, depth, then MLP ratio and heads of each layer.

        As in AutoFormer, the three depths are equally likely, and so an architecture of 12 layers
        sixteen times as likely as one of 14.
        """
        kind = TransformerArchitecture
        embedding, depth = pick(kind.EMBEDDINGS, generator), pick(kind.DEPTHS, generator)
        ratios = tuple(pick(kind.MLP_RATIOS, generator) for _ in range(depth))
        heads = tuple(pick(kind.HEADS, generator) for _ in range(depth))
        return kind(embedding, ratios, heads)

    def mutate(
        self, architecture: TransformerArchitecture, generator: torch.Generator
    ) -> TransformerArchitecture:
        """Draw another value of one choice: embedding, depth, or a layer's MLP ratio or heads.

        Choice and value are drawn uniformly. Layers are taken away and added at the end.
        """
        kind, one = TransformerArchitecture, _own(architecture)
        embedding, ratios, heads = one.embedding, list(one.mlp_ratios), list(one.heads)
        choice = pick(range(2 + 2 * one.depth), generator)
        if choice == 0:
            embedding = pick_other(kind.EMBEDDINGS, embedding, generator)
        elif choice == 1:
            depth = pick_other(kind.DEPTHS, one.depth, generator)
            added = range(depth - one.depth)
            ratios = ratios[:depth] + [pick(kind.MLP_RATIOS, generator) for _ in added]
            heads = heads[:depth] + [pick(kind.HEADS, generator) for _ in added]
        else:
            layer, which = divmod(choice - 2, 2)
            if which:
                heads[layer] = pick_other(kind.HEADS, heads[layer], generator)
            else:
                ratios[layer] = pick_other(kind.MLP_RATIOS, ratios[layer], generator)
        return kind(embedding, tuple(ratios), tuple(heads))

    def crossover(
        self,
        first: TransformerArchitecture,
        second: TransformerArchitecture,
        generator: torch.Generator,
    ) -> TransformerArchitecture:
        """Take each choice from one of the two, with equal chances; a layer only one has, from it.

        MLP ratio and heads of a layer are two choices.
        """
        pair = (_own(first), _own(second))
        embedding = pick(pair, generator).embedding
        depth = pick(pair, generator).depth

        def layers(name: str) -> tuple[Any, ...]:
            values = [getattr(one, name) for one in pair]
            return tuple(
                pick([of_one[i] for of_one in values if i < len(of_one)], generator)
                for i in range(depth)
            )

        return TransformerArchitecture(embedding, layers("mlp_ratios"), layers("heads"))

    def topologies(self, architecture: TransformerArchitecture) -> "dict[str, nx.DiGraph[int]]":
        """{"network": graph} of two residual branches a layer, attention and MLP, each counting 2.

        Its linear layers count: queries, keys and values are one, softmax is none.
        """
        return {"network": residual_chain(transformer_blocks(_own(architecture).layers))}

    def extremes(self) -> Extremes:
        """Return the extremes: of L layers, d̄ = 2 L and m̄ = (2^2L − 1) / 2 L."""
        depths = [2 * depth for depth in TransformerArchitecture.DEPTHS]
        widths = [Fraction(2**depth - 1, depth) for depth in depths]
        return Extremes((Fraction(min(depths)), Fraction(max(depths))), (min(widths), max(widths)))

    def proxy(self, size: Literal["small", "paper"], indicator: str) -> ProxySetting:
        """All numbers of an architecture, but few tokens; or the paper's patches of 16 pixels."""
        if size == "small":
            return ProxySetting({"patch_size": 8}, 16)
        return ProxySetting({"image_size": 224}, 128)

    def network(
        self,
        architecture: TransformerArchitecture,
        num_classes: int = 10,
        in_channels: int = 3,
        image_size: int = 32,
        patch_size: int | None = None,
    ) -> VisionTransformer:
        """Build the transformer for images of height and width `image_size`.

        Patches are an eighth of it by default, 4 pixels for 32×32, but at most 16.
        """
        one = _own(architecture)
        return VisionTransformer(
            one.embedding, one.layers, num_classes, in_channels, image_size, patch_size
        )


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(f"transformer: {shown(text)} is no JSON") from None


def _own(architecture: TransformerArchitecture) -> TransformerArchitecture:
    """Refuse an architecture of another space."""
    if not isinstance(architecture, TransformerArchitecture):
        raise ValueError(
            f"architecture: expected a TransformerArchitecture, got {type(architecture).__name__}"
        )
    return architecture
