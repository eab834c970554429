"""An operation of one's own, in a space that has it: maps scaled by what they hold.

From the command line, with this folder on Python's path:

    PYTHONPATH=docs/examples lightning fit --config configs/search/quickstart.yaml \
        --model.space gated_space.GatedSpace
    PYTHONPATH=docs/examples lightning fit --config configs/train_digits.yaml \
        --model.space gated_space.GatedSpace --model.sizes '{channels: 8}' \
        --model.architecture "gate nor_conv_3x3 skip_connect"

From Python:

    python docs/examples/gated_space.py
"""

import torch
from small_space import SmallSpace  # in this folder
from torch import Tensor, nn

from models.topology import effective_depth_width


class Gate(nn.Module):
    """Every map times a share in (0, 1) that a 1×1 convolution of all maps' averages decides.

    Args:
        channels: maps in and out.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.decide = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to the same shape."""
        shares: Tensor = self.decide(x.mean((2, 3), keepdim=True)).sigmoid()
        return x * shares


class GatedSpace(SmallSpace):
    """`SmallSpace` with a fourth operation on every edge, `gate`: 64 architectures."""

    name = "gated"
    operations = (*SmallSpace.operations, "gate")
    # It has parameters: one operation towards effective depth.
    parameterised = SmallSpace.parameterised | {"gate"}

    def build(self, operation: str, channels: int, stride: int) -> nn.Module:
        return Gate(channels) if operation == "gate" else super().build(operation, channels, stride)


def main() -> float:
    space = GatedSpace()
    cell = space.parse("gate nor_conv_3x3 skip_connect")
    network = space.network(cell)
    print(network(torch.randn(2, 3, 8, 8)).shape)
    depth, width = effective_depth_width(space.topology(cell))
    print(f"effective depth {depth}, effective width {width}")
    return depth


if __name__ == "__main__":
    main()
