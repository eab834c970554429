"""NAS-Bench-101's networks: three stacks of modules of one cell (Ying et al. 2019)."""

import torch
from torch import Tensor, nn

from models.topology import DepthWidth, NasBench101Cell, effective_depth_width

STACKS = 3


def conv_bn_relu(in_channels: int, out_channels: int, kernel_size: int) -> nn.Sequential:
    """Convolution that keeps the size, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


def vertex_channels(cell: NasBench101Cell, channels: int) -> list[int]:
    """Return the maps of the vertices between input and output (arXiv 1902.09635, §2.2).

    The vertices that lead to the output share its maps equally, the first ones taking one more
    where they do not divide; any other vertex has as many as the widest one it leads to.

    Args:
        cell: its V vertices.
        channels: maps of the output.

    Returns:
        V − 2 numbers.

    Raises:
        ValueError: fewer channels than vertices to share them.
    """
    last = len(cell.matrix) - 1
    into_output = [v for v in range(1, last) if cell.matrix[v][last]]
    if channels < len(into_output):
        raise ValueError(
            f"channels: {len(into_output)} vertices share the output, expected as many or more, "
            f"got {channels}"
        )
    maps = [0] * last
    for i, vertex in enumerate(into_output):
        share, rest = divmod(channels, len(into_output))
        maps[vertex] = share + (i < rest)
    for vertex in reversed(range(1, last)):
        if vertex not in into_output:
            maps[vertex] = max(maps[t] for t in range(last) if cell.matrix[vertex][t])
    return maps[1:]


def _operation(name: str, channels: int) -> nn.Module:
    if name == "maxpool3x3":
        return nn.MaxPool2d(3, stride=1, padding=1)
    return conv_bn_relu(channels, channels, 1 if name == "conv1x1-bn-relu" else 3)


class NasBench101Module(nn.Module):
    """A cell as a module.

    A vertex is its operation on the sum of what leads to it: the input through a projection of its
    own, other vertices cut to the vertex's maps. The output concatenates, plus a projection of the
    input where an edge says so.

    Args:
        cell: its vertices.
        in_channels: maps of the input.
        channels: maps of the output.

    Raises:
        ValueError: fewer channels than vertices to share them.
    """

    def __init__(self, cell: NasBench101Cell, in_channels: int, channels: int) -> None:
        super().__init__()
        self.cell = cell
        self.maps = [in_channels, *vertex_channels(cell, channels), channels]
        self.operations = nn.ModuleList(
            _operation(name, maps)
            for name, maps in zip(cell.operations, self.maps[1:-1], strict=True)
        )
        self.projections = nn.ModuleDict(
            {
                str(vertex): conv_bn_relu(in_channels, self.maps[vertex], 1)
                for vertex, edge in enumerate(cell.matrix[0])
                if edge
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, channels, H, W)."""
        matrix, last = self.cell.matrix, len(self.cell.matrix) - 1
        values = [x]
        for vertex, operation in enumerate(self.operations, start=1):
            sources = [s for s in range(1, vertex) if matrix[s][vertex]]
            terms = [values[s][:, : self.maps[vertex]] for s in sources]
            values.append(operation(self._sum(vertex, terms, x)))
        parts = [values[s] for s in range(1, last) if matrix[s][last]]
        return self._sum(last, [torch.cat(parts, dim=1)] if parts else [], x)

    def _sum(self, vertex: int, terms: list[Tensor], x: Tensor) -> Tensor:
        """Sum what leads to a vertex."""
        if str(vertex) in self.projections:
            terms = [*terms, self.projections[str(vertex)](x)]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total


class NasBench101Network(nn.Module):
    """The network that the benchmark trained for a cell.

    Args:
        cell: its vertices.
        channels: maps of the stem and the first stack; doubled in each further stack, where the
            size halves. The benchmark has 128.
        modules_per_stack: the benchmark has 3.
        num_classes: number of logits.
        in_channels: of the images.

    Raises:
        ValueError: fewer channels than vertices to share them.
    """

    def __init__(
        self,
        cell: NasBench101Cell,
        channels: int = 128,
        modules_per_stack: int = 3,
        num_classes: int = 10,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self.cell = cell
        self.stem = conv_bn_relu(in_channels, channels, 3)
        self.cells = nn.Sequential()
        last = channels
        for stack in range(STACKS):
            for i in range(modules_per_stack):
                module: nn.Module = NasBench101Module(cell, last, channels * 2**stack)
                if stack and i == 0:
                    module = nn.Sequential(nn.MaxPool2d(2, ceil_mode=True), module)
                self.cells.append(module)
                last = channels * 2**stack
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(last, num_classes)
        )

    def depth_width(self) -> DepthWidth:
        """Effective depth and width of the cell."""
        return effective_depth_width(self.cell.graph)

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, in_channels, H, W) to logits (N, num_classes)."""
        logits: Tensor = self.head(self.cells(self.stem(x)))
        return logits
