"""Print launches and synchronisations per score as a Markdown table.

python tests/pretend_cuda/launches.py
"""

import warnings
from collections.abc import Callable, Iterator

import torch
from device_runs import CELL, indicators, label
from pretended_cuda import CUDA, PretendedCuda
from pretended_runtime import pretend_cuda
from torch import Tensor, nn

from models.indicators import Indicator, NTKConditionNumber
from models.networks import initialise_
from models.networks.placement import place_
from models.spaces import DartsSpace, NasBench201Space

LAUNCH, SYNCHRONISATION = 0.01, 0.025
"""Milliseconds on a GPU."""

Work = tuple[str, Indicator, nn.Module, Tensor]


def works() -> Iterator[Work]:
    """Each indicator on the small proxy of NAS-Bench-201, and κ coupled on the DARTS supernet."""
    space, draw = NasBench201Space(), torch.Generator().manual_seed(0)
    cell = space.parse(CELL)
    for indicator in indicators():
        torch.manual_seed(0)
        setting = space.proxy("small", indicator.name)
        if indicator.proxy == "regions":
            network: nn.Module = space.region_network(10, space.mask_of(cell))
            initialise_(network, "fan_in", draw)
            images = torch.randn(3000, 1, 3, 3, generator=draw)
        else:
            network = space.network(cell, **setting.network)
            images = torch.randn(setting.batch_size, 3, 32, 32, generator=draw)
        yield label(indicator), indicator, network, images
    images = torch.randn(14, 3, 32, 32, generator=draw)
    yield (
        "κ coupled, DARTS supernet",
        NTKConditionNumber("coupled"),
        DartsSpace().supernet(),
        images,
    )


def count(work: Work) -> PretendedCuda:
    """Score once to warm up, then count."""
    _, indicator, network, images = work
    labels = torch.arange(len(images)) % 10
    with pretend_cuda(sites=True) as cuda:
        network.to("cuda")
        images, labels = images.to("cuda"), labels.to("cuda")
        indicator.score(network, images, labels)
        cuda.reset()
        indicator.score(network, images, labels)
    return cuda


def copies(place: Callable[[nn.Module, torch.device], nn.Module], cells: int) -> int:
    """Return the copies to the device of a NAS-Bench-201 network, of so many cells a stage."""
    space = NasBench201Space()
    with pretend_cuda() as cuda:
        network = space.network(space.parse(CELL), channels=4, cells_per_stage=cells)
        cuda.reset()
        place(network, CUDA)
    return cuda.syncs["pageable copy"]


def main() -> None:
    """Count all, and print."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    print("| score | launches | synchronisations | estimate (ms) | most frequent synchronisation |")
    print("|---|---:|---:|---:|---|")
    for work in works():
        cuda = count(work)
        waits = cuda.syncs.total()
        estimate = cuda.launches * LAUNCH + waits * SYNCHRONISATION
        most = [f"{n}× `{line}`" for line, n in cuda.sync_sites.most_common(1)]
        print(
            f"| {work[0]} | {cuda.launches:,} | {waits:,} | {estimate:.1f} | {''.join(most)} |",
            flush=True,
        )
    for cells in (1, 5):
        ours, each = copies(place_, cells), copies(nn.Module.to, cells)
        print(f"\nCopies of a network, N = {cells}: {ours}, one per tensor: {each}")


if __name__ == "__main__":
    main()
