"""NTK of the supernets that a pruning search evaluates, against a loop of backward passes.

Run it from the root of the checkout: `python tests/benchmarks/bench_ntk.py`. On one thread the
seconds are those of the processor, which bear other work on the machine; on all threads those of
the clock, which do not.
"""

import platform
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from models.indicators import empirical_ntk
from models.networks import DartsSupernet, NasBench201Supernet, initialise_


def loop(network: nn.Module, inputs: Tensor) -> Tensor:
    """One backward pass per sample, gradients collected from `.grad`."""
    F = network(inputs).sum(1)
    rows = []
    for value in F:
        network.zero_grad()
        value.backward(retain_graph=True)
        rows.append(torch.cat([p.grad.ravel() for p in network.parameters() if p.grad is not None]))
    J = torch.stack(rows).double()
    return J @ J.T


def seconds(
    clock: Callable[[], float], function: Callable[..., object], *arguments: object
) -> float:
    """The faster of two runs."""
    times = []
    for _ in range(2):
        start = clock()
        function(*arguments)
        times.append(clock() - start)
    return min(times)


def main() -> None:
    cores = torch.get_num_threads()
    print(
        f"torch {torch.__version__}, {platform.processor() or platform.machine()}, {cores} threads"
    )
    for network, batch in ((NasBench201Supernet(3, 1), 72), (DartsSupernet(1, 2), 14)):
        initialise_(network, "fan_out", torch.Generator().manual_seed(0))
        inputs = torch.randn(batch, 3, 32, 32, generator=torch.Generator().manual_seed(1))
        expected = loop(network, inputs)
        K = empirical_ntk(network, inputs)
        assert torch.allclose(K, expected, rtol=0, atol=1e-3 * expected.max().item())
        for threads in sorted({1, cores}):
            torch.set_num_threads(threads)
            clock = time.process_time if threads == 1 else time.perf_counter
            naive = seconds(clock, loop, network, inputs)
            coupled = seconds(clock, empirical_ntk, network, inputs, "coupled")
            frozen = seconds(clock, empirical_ntk, network, inputs, "frozen")
            print(
                f"{type(network).__name__}, batch {batch}, {threads} thread(s): "
                f"loop {naive:.2f} s; "
                f"coupled {coupled:.2f} s, {naive / coupled:.2f} times as fast; "
                f"frozen {frozen:.3f} s, {naive / frozen:.1f} times as fast"
            )


if __name__ == "__main__":
    main()
