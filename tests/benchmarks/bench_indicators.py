"""What each indicator costs, against one training step's forward and backward on the same batch.

Run it from the root of the checkout: `python tests/benchmarks/bench_indicators.py`. Processor time,
one thread, the best of three. VKDNW and SynFlow are also compared with the straightforward way.
"""

import copy
import os
import platform
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap
from torch.nn.functional import cross_entropy

from models.indicators.az_nas import Expressivity, Progressivity, Trainability
from models.indicators.base import Indicator
from models.indicators.condition_number import NTKConditionNumber
from models.indicators.gradient_flow import GradientFlow
from models.indicators.grasp import Grasp
from models.indicators.jacobian_covariance import JacobianCovariance
from models.indicators.naswot import ActivationOverlap
from models.indicators.size import Flops, Layers, Parameters
from models.indicators.snip import Snip
from models.indicators.synflow import SynFlow
from models.indicators.vkdnw import VKDNW
from models.indicators.zico import ZiCo
from models.spaces import DartsSpace, NasBench201Space

CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_1x1~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"
BATCH = 64
INDICATORS: tuple[Indicator, ...] = (
    Parameters(),
    Layers(),
    SynFlow(),
    Flops(),
    ActivationOverlap(),
    Expressivity(),
    Progressivity(),
    Trainability(),
    JacobianCovariance(),
    GradientFlow(),
    NTKConditionNumber("frozen"),
    Snip(),
    ZiCo(),
    Grasp(),
    VKDNW(),
)


def milliseconds(work: Callable[[], object]) -> float:
    times = []
    for _ in range(3):
        start = time.process_time()
        work()
        times.append(1000 * (time.process_time() - start))
    return min(times)


def naive_vkdnw(network: nn.Module, images: Tensor) -> Tensor:
    """Jacobian by the first entries, a sample and a functional network at a time."""
    network = copy.deepcopy(network).eval()
    parameters = {name: p.detach() for name, p in network.named_parameters()}
    first = {name: p.flatten()[:1] for name, p in parameters.items()}

    def logits(entries: dict[str, Tensor], image: Tensor) -> Tensor:
        changed = {
            name: torch.cat([entries[name], p.flatten()[1:]]).view_as(p)
            for name, p in parameters.items()
        }
        return functional_call(network, changed, (image[None],))[0]

    jacobians = vmap(jacrev(logits), in_dims=(None, 0))(first, images)
    return torch.cat([j.flatten(2) for j in jacobians.values()], dim=2)


def naive_synflow(network: nn.Module, images: Tensor) -> float:
    """A rewritten copy of the network on a whole batch of ones."""
    network = copy.deepcopy(network).double()
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.Identity())
    for p in network.parameters():
        p.data.abs_()
    network(torch.ones_like(images, dtype=torch.float64)).sum().backward()
    return sum(float((p * p.grad).sum()) for p in network.parameters() if p.grad is not None)


def main() -> None:
    torch.set_num_threads(1)
    print(
        f"torch {torch.__version__}, one thread of {os.cpu_count()} cores, "
        f"{platform.processor() or platform.machine()}; batch of {BATCH} images of 32×32"
    )
    nasbench201, darts = NasBench201Space(), DartsSpace()
    genotype = darts.random_architecture(torch.Generator().manual_seed(0))
    cell = nasbench201.parse(CELL)
    networks = {
        "NAS-Bench-201, C=4, N=1": nasbench201.network(cell, channels=4, cells_per_stage=1),
        "NAS-Bench-201 supernet, C=3": nasbench201.supernet(),
        "DARTS, C=4, 3 cells": darts.network(genotype, channels=4, cells=3),
    }
    images, labels = torch.randn(BATCH, 3, 32, 32), torch.arange(BATCH) % 10
    for title, network in networks.items():

        def step(network: nn.Module = network) -> None:
            cross_entropy(network(images), labels).backward()

        step()
        unit = milliseconds(step)
        print(f"\n{title}: forward and backward {unit:.1f} ms")
        for indicator in INDICATORS:

            def work(indicator: Indicator = indicator, network: nn.Module = network) -> None:
                indicator.score(network, images, labels)

            ms = milliseconds(work)
            print(f"  {indicator.name:22s}{ms:8.1f} ms {ms / unit:6.2f} times as long")
    network = networks["NAS-Bench-201, C=4, N=1"]
    for indicator, naive in ((VKDNW(), naive_vkdnw), (SynFlow(), naive_synflow)):
        ours = milliseconds(lambda i=indicator: i.score(network, images, labels))
        theirs = milliseconds(lambda f=naive: f(network, images))
        print(f"\n{indicator.name}: {ours:.1f} ms, straightforward {theirs:.1f} ms", end="")
        print(f", {theirs / ours:.1f} times as long", end="")
    print()


if __name__ == "__main__":
    main()
