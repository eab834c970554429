"""Linear regions by distinct rows of bits, against a comparison of all pairs.

Run it from the root of the checkout: `python tests/benchmarks/bench_linear_regions.py`. Seconds are
those of the processor, on one thread.
"""

import os
import platform
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from models.indicators import linear_regions
from models.networks import NasBench201Supernet, initialise_

SAMPLES, REPEATS = 3000, 5


def by_pairs(network: nn.Module, inputs: Tensor) -> int:
    """TE-NAS's way in float32: a matrix of the number of units in which two samples differ."""
    codes: list[Tensor] = []
    hooks = [
        m.register_forward_hook(lambda _, __, y: codes.append((y > 0).flatten(1)))
        for m in network.modules()
        if isinstance(m, nn.ReLU)
    ]
    with torch.no_grad():
        network(inputs)
    for hook in hooks:
        hook.remove()
    c = torch.cat(codes, 1).float()
    differ = (1 - c) @ c.T
    differ = differ + differ.T
    weights = 1 / (differ == 0).sum(1)
    return round(weights.double().sum().item())


def seconds(function: Callable[..., object], *arguments: object) -> float:
    """The fastest of several runs."""
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        function(*arguments)
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    torch.set_num_threads(1)
    print(
        f"torch {torch.__version__}, 1 thread of {os.cpu_count()}, "
        f"{platform.processor() or platform.machine()}; {SAMPLES} samples, fastest of {REPEATS}"
    )
    cases = {
        "thin NAS-Bench-201 supernet, 3x3": (
            NasBench201Supernet(1, 1, in_channels=1, num_stages=1, use_stem=False),
            (1, 3, 3),
        ),
        "MLP of 4,096 ReLUs": (
            nn.Sequential(nn.Linear(8, 2048), nn.ReLU(), nn.Linear(2048, 2048), nn.ReLU()),
            (8,),
        ),
    }
    for name, (network, shape) in cases.items():
        initialise_(network, "fan_in", torch.Generator().manual_seed(0))
        inputs = torch.randn(SAMPLES, *shape, generator=torch.Generator().manual_seed(1))
        count = linear_regions(network, inputs)
        assert count == by_pairs(network, inputs)
        pairs = seconds(by_pairs, network, inputs)
        ours = seconds(linear_regions, network, inputs)
        with torch.no_grad():
            forward = seconds(network, inputs)
        print(
            f"{name}: {count} regions; all pairs {pairs:.3f} s; ours {ours:.4f} s, "
            f"{pairs / ours:.1f} times as fast; a bare forward {forward:.4f} s"
        )


if __name__ == "__main__":
    main()
