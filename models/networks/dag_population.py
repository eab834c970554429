"""Many DAG-MLPs at once, as batched matrix products."""

from collections import Counter
from collections.abc import Iterator, Sequence
from math import prod
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from models.networks.dag import DagMLP
from models.networks.initialisation import initialise_
from models.topology.dag import OPERATION, Dag

_Kind = dict[int, list[int]]
"""Edges that leave one node, with one value: per target, the members that have the edge."""


class Member(NamedTuple):
    """One network of a population: its wiring, and how many so wired come before it."""

    dag: Dag
    repeat: int


class BatchedLinear(nn.Module):
    """B linear maps, each with its own weights: (B, in, N) to (B, out, N)."""

    def __init__(self, maps: int, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(maps, out_features, in_features))
        self.bias = nn.Parameter(torch.empty(maps, out_features))

    def forward(self, features: Tensor) -> Tensor:
        """`features` (B, in, N), or (in, N) where all maps read the same."""
        if features.ndim == 3:
            return torch.baddbmm(self.bias[:, :, None], self.weight, features)
        maps, out_features, _ = self.weight.shape
        values = torch.addmm(self.bias.view(-1, 1), self.weight.flatten(0, 1), features)
        return values.view(maps, out_features, -1)


class DagPopulation(nn.Module):
    """K networks `DagMLP`, each with its own weights, evaluated together.

    All the members' operations that read one node are one batched matrix product, and skips are
    additions: work and memory grow with the number of operations that the members have. Features
    are held as (member, feature, image).

    Args:
        dags: one wiring per member, or its DAG string; one given r times makes r members that
            differ in their weights. Numbers of nodes may differ.
        in_shape: (channels, height, width) of an image.
        width: features of every node.
        num_classes: logits.
        seed: of the initial weights. Those of a member are a function of (seed, DAG, `repeat`),
            whatever the other members; see `initial_network`.

    Attributes:
        members: the K members.

    Raises:
        ValueError: no member, a string that is no DAG, a negative seed, or a size below 1.
    """

    def __init__(
        self,
        dags: Sequence[Dag | str],
        in_shape: Sequence[int],
        width: int,
        num_classes: int,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if isinstance(dags, str) or not dags:
            raise ValueError(f"dags: expected a list of at least one DAG string, got {dags!r}")
        if seed < 0:
            raise ValueError(f"seed: expected 0 or more, got {seed}")
        self.members = _number(dags)
        self._seed = seed
        self._sizes = (tuple(in_shape), width, num_classes)
        self._empty(self.members[0])  # refuses a bad size

        self._output = max(member.dag.output for member in self.members)
        rows, self._edges = _layout(self.members, self._output)
        self._node_sizes = Counter(node for _, node in rows)
        self.stem = BatchedLinear(len(self.members), prod(in_shape), width)
        self.operations = nn.ModuleDict()
        self._operation_rows: dict[tuple[int, int, int], int] = {}
        for source, kinds in self._edges.items():
            reads = [rows[member, source] for kind in kinds.values() for _, member in _flat(kind)]
            self.register_buffer(f"reads_{source}", torch.tensor(reads), persistent=False)
            for value, kind in kinds.items():
                adds = [rows[member, target] for target, member in _flat(kind)]
                self.register_buffer(f"adds_{source}_{value}", torch.tensor(adds), persistent=False)
            operations = _flat(kinds.get(OPERATION, {}))
            for row, (target, member) in enumerate(operations):
                self._operation_rows[member, source, target] = row
            if operations:
                self.operations[str(source)] = BatchedLinear(len(operations), width, width)
        self.readout = BatchedLinear(len(self.members), width, num_classes)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw the initial weights: He's, biases 0."""
        for index, member in enumerate(self.members):
            generator = _generator(self._seed, member)
            for name, parameter in self._parameters_of(index):
                if name.endswith("weight"):
                    nn.init.kaiming_normal_(parameter, nonlinearity="relu", generator=generator)
                else:
                    parameter.zero_()

    def initial_network(self, index: int) -> DagMLP:
        """Member `index` as a network of its own, at its initial weights, on the CPU."""
        network = self._empty(self.members[index]).to_empty(device="cpu")
        initialise_(network, "fan_in", _generator(self._seed, self.members[index]))
        return network

    def network(self, index: int) -> DagMLP:
        """Member `index` as a network of its own, with a copy of its present weights."""
        network = self._empty(self.members[index])
        weights = {name: value.detach().clone() for name, value in self._parameters_of(index)}
        network.load_state_dict(weights, assign=True)
        return network

    def forward(self, images: Tensor) -> Tensor:
        """Logits (K, N, num_classes) of images (N, *in_shape).

        Raises:
            ValueError: images of another shape.
        """
        in_shape = self._sizes[0]
        if images.shape[1:] != in_shape:
            raise ValueError(f"images: expected (N, *{in_shape}), got {tuple(images.shape)}")
        nodes = {0: self.stem(images.flatten(1).T).relu_()}
        for source, kinds in self._edges.items():
            # One selection per node: the gradient of each costs a pass over all of the node.
            features = nodes[source].index_select(0, self.get_buffer(f"reads_{source}"))
            sizes = [len(_flat(kind)) for kind in kinds.values()]
            for (value, kind), values in zip(
                kinds.items(), torch.split(features, sizes), strict=True
            ):
                if value == OPERATION:
                    values = self.operations[str(source)](values).relu_()
                self._add(nodes, kind, values, self.get_buffer(f"adds_{source}_{value}"))
        logits: Tensor = self.readout(nodes[self._output])
        return logits.transpose(1, 2)

    def _add(self, nodes: dict[int, Tensor], kind: _Kind, values: Tensor, adds: Tensor) -> None:
        """Add the values of a node's edges of one kind to the nodes that they lead to."""
        sizes = [len(members) for members in kind.values()]
        for target, block, rows in zip(
            kind, torch.split(values, sizes), torch.split(adds, sizes), strict=True
        ):
            if target not in nodes:
                nodes[target] = block.new_zeros(self._node_sizes[target], *block.shape[1:])
            nodes[target].index_add_(0, rows, block)

    def _empty(self, member: Member) -> DagMLP:
        with torch.device("meta"):  # draws nothing from the global random state
            return DagMLP(member.dag, *self._sizes)

    def _parameters_of(self, index: int) -> Iterator[tuple[str, Tensor]]:
        """A member's share of each parameter, named and ordered as in `DagMLP`."""
        dag = self.members[index].dag
        layers: list[tuple[str, nn.Module, int]] = [("stem.1", self.stem, index)]
        for source, target, value in dag.active_edges():
            if value == OPERATION:
                row = self._operation_rows[index, source, _place(target, dag, self._output)]
                layers.append(
                    (f"operations.{source}_{target}.0", self.operations[str(source)], row)
                )
        layers.append(("readout", self.readout, index))
        for name, layer, row in layers:
            yield f"{name}.weight", layer.get_parameter("weight")[row]
            yield f"{name}.bias", layer.get_parameter("bias")[row]


def _number(dags: Sequence[Dag | str]) -> list[Member]:
    """Members in the order given, each DAG's counted from 0."""
    seen: Counter[Dag] = Counter()
    members = []
    for given in dags:
        dag = given if isinstance(given, Dag) else Dag.parse(given)
        members.append(Member(dag, seen[dag]))
        seen[dag] += 1
    return members


def _generator(seed: int, member: Member) -> torch.Generator:
    """A generator that is a pure function of seed, DAG and repeat."""
    digits = [digit for group in member.dag.groups for digit in group]
    state = np.random.SeedSequence([seed, member.repeat, *digits]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))


def _layout(
    members: Sequence[Member], output: int
) -> tuple[dict[tuple[int, int], int], dict[int, dict[int, _Kind]]]:
    """The row of each (member, node) among those with that node; the edges by source and value."""
    rows: dict[tuple[int, int], int] = {}
    sizes: Counter[int] = Counter()
    edges: dict[int, dict[int, _Kind]] = {}
    for index, (dag, _) in enumerate(members):
        for node in dag.active_nodes:
            place = _place(node, dag, output)
            rows[index, place] = sizes[place]
            sizes[place] += 1
        for source, target, value in dag.active_edges():
            kind = edges.setdefault(source, {}).setdefault(value, {})
            kind.setdefault(_place(target, dag, output), []).append(index)
    return rows, dict(sorted(edges.items()))


def _place(node: int, dag: Dag, output: int) -> int:
    """The number of a member's node in the population, where all outputs are one node."""
    return output if node == dag.output else node


def _flat(kind: _Kind) -> list[tuple[int, int]]:
    """(target, member) of all edges, in the order of their rows."""
    return [(target, member) for target, members in kind.items() for member in members]
