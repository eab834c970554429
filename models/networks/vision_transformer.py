"""Vision transformers whose layers may differ in heads and MLP (arXiv 2010.11929, 2107.00651)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad, scaled_dot_product_attention

from models.topology import DepthWidth, effective_depth_width
from models.topology.residual_chain import ChainBlock, residual_chain

HEAD = 64
"""Numbers per head, whatever the embedding (AutoFormer)."""
_EPS = 1e-6  # of layer normalisations, as in ViT
_STD = 0.02  # of weights, cut off at ±2
_LARGEST_PATCH, _GRID = 16, 8


class TransformerLayer(NamedTuple):
    """Attention and MLP of one layer.

    Attributes:
        heads: of 64 numbers each.
        hidden: numbers between the MLP's two linear layers.
    """

    heads: int
    hidden: int


def patch_size_for(image_size: int) -> int:
    """Pixels per side of a patch: 8×8 patches an image, but at most 16 pixels; 4 for 32×32."""
    return min(_LARGEST_PATCH, max(1, image_size // _GRID))


def transformer_blocks(layers: Sequence[TransformerLayer]) -> list[ChainBlock]:
    """What each residual branch counts in effective depth: two linear layers, 2."""
    return [
        block
        for layer in layers
        for block in (
            ChainBlock(2, residual=True, label=f"attention {layer.heads}"),
            ChainBlock(2, residual=True, label=f"MLP {layer.hidden}"),
        )
    ]


class Tokens(nn.Module):
    """Images to tokens: a linear map of every patch, a class token before them, and positions.

    Args:
        image_size: height and width that positions are learnt for. Of images of another size they
            are interpolated.
        patch_size: height and width of a patch; images are padded with zeros to whole patches.
        in_channels: of the images.
        embedding: numbers per token.
    """

    def __init__(self, image_size: int, patch_size: int, in_channels: int, embedding: int) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.grid = -(-image_size // patch_size)
        self.patches = nn.Conv2d(in_channels, embedding, patch_size, patch_size)
        self.class_token = nn.Parameter(torch.zeros(1, 1, embedding))
        self.positions = nn.Parameter(torch.zeros(1, 1 + self.grid**2, embedding))

    def draw_(self, generator: torch.Generator | None = None) -> None:
        """Draw class token and positions anew; the patches are a layer like others."""
        for parameter in (self.class_token, self.positions):
            _draw(parameter, generator)

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, in_channels, H, W) to tokens (N, 1 + patches, embedding)."""
        count, _, height, width = x.shape  # len(x) would fix the batch of what is exported
        bottom, right = -height % self.patch_size, -width % self.patch_size
        if bottom or right:
            x = pad(x, (0, right, 0, bottom))
        maps = self.patches(x)
        rows, columns = maps.shape[2:]
        tokens = maps.flatten(2).mT
        positions = self._positions(rows, columns)
        # one copy for every image: indicators see whose gradient is whose
        tokens = torch.cat([self.class_token.expand(count, -1, -1), tokens], dim=1)
        return tokens + positions.expand(count, -1, -1)

    def _positions(self, rows: int, columns: int) -> Tensor:
        if (rows, columns) == (self.grid, self.grid):
            return self.positions
        of_class, of_patches = self.positions[:, :1], self.positions[:, 1:]
        square = of_patches.mT.reshape(1, -1, self.grid, self.grid)
        resized = interpolate(square, (rows, columns), mode="bicubic", antialias=False)
        return torch.cat([of_class, resized.flatten(2).mT], dim=1)


class Attention(nn.Module):
    """Self-attention: every token becomes a mean of linear maps of all, by query and key.

    Args:
        embedding: numbers per token.
        heads: of 64 numbers each.
    """

    def __init__(self, embedding: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.queries_keys_values = nn.Linear(embedding, 3 * heads * HEAD)
        self.output = nn.Linear(heads * HEAD, embedding)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (N, T, embedding) to the same shape."""
        # (3, N, heads, T, 64)
        q, k, v = (
            self.queries_keys_values(x).unflatten(2, (3, self.heads, HEAD)).permute(2, 0, 3, 1, 4)
        )
        y: Tensor = self.output(scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return y


class TransformerBlock(nn.Module):
    """x + attention(norm(x)), then the same with an MLP of two linear layers and GELU.

    Args:
        embedding: numbers per token.
        layer: its sizes.
    """

    def __init__(self, embedding: int, layer: TransformerLayer) -> None:
        super().__init__()
        self.attention = nn.Sequential(
            nn.LayerNorm(embedding, _EPS), Attention(embedding, layer.heads)
        )
        self.mlp = nn.Sequential(
            nn.LayerNorm(embedding, _EPS),
            nn.Linear(embedding, layer.hidden),
            nn.GELU(),
            nn.Linear(layer.hidden, embedding),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (N, T, embedding) to the same shape."""
        x = x + self.attention(x)
        y: Tensor = x + self.mlp(x)
        return y


class VisionTransformer(nn.Module):
    """DeiT's network (arXiv 2012.12877) with layers of their own sizes; logits by the class token.

    Args:
        embedding: numbers per token.
        layers: sizes of each.
        num_classes: number of logits.
        in_channels: of the images.
        image_size: height and width of the images that the network is for. It takes others, whose
            positions are interpolated.
        patch_size: height and width of a patch; by default an eighth of `image_size`, at most 16.

    Raises:
        ValueError: no layers.
    """

    def __init__(
        self,
        embedding: int,
        layers: Sequence[TransformerLayer],
        num_classes: int = 10,
        in_channels: int = 3,
        image_size: int = 32,
        patch_size: int | None = None,
    ) -> None:
        super().__init__()
        if not layers:
            raise ValueError("layers: expected at least one, got none")
        self._counts = transformer_blocks(layers)
        if patch_size is None:
            patch_size = patch_size_for(image_size)
        self.tokens = Tokens(image_size, patch_size, in_channels, embedding)
        self.blocks = nn.Sequential(*(TransformerBlock(embedding, layer) for layer in layers))
        self.norm = nn.LayerNorm(embedding, _EPS)
        self.head = nn.Linear(embedding, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                _draw(module.weight)
                nn.init.zeros_(module.bias)
        self.tokens.draw_()

    def depth_width(self) -> DepthWidth:
        """Effective depth and width of the layers."""
        return effective_depth_width(residual_chain(self._counts))

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, in_channels, H, W) to logits (N, num_classes)."""
        tokens = self.blocks(self.tokens(x))
        logits: Tensor = self.head(self.norm(tokens[:, 0]))
        return logits


def _draw(parameter: Tensor, generator: torch.Generator | None = None) -> None:
    device = parameter.device if generator is None else generator.device
    drawn = torch.empty_like(parameter, device=device)
    with torch.no_grad():
        parameter.copy_(nn.init.trunc_normal_(drawn, std=_STD, generator=generator))
