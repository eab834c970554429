"""An indicator of one's own: how differently an untrained network answers to different images.

From the command line, with this folder on Python's path:

    PYTHONPATH=docs/examples lightning fit --config configs/search/sampling_digits.yaml \
        --model.indicator logit_spread.LogitSpread

From Python, here for one cell:

    python docs/examples/logit_spread.py
"""

import copy

import torch
from torch import Tensor, nn

from datamodules import DigitsDataModule
from models.indicators import Indicator
from models.spaces import NasBench201Space


class LogitSpread(Indicator):
    """Standard deviation of a logit over the images, mean over the logits; higher is better.

    Made up for this page: nobody claims that it finds good networks.

    Args:
        softmax: take probabilities instead of logits.
    """

    name = "logit_spread"
    higher_is_better = True

    def __init__(self, softmax: bool = False) -> None:
        self.softmax = softmax

    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        """One forward pass.

        Raises:
            ValueError: fewer than two images.
        """
        if len(images) < 2:
            raise ValueError(f"images: expected 2 or more, got {len(images)}")
        with torch.no_grad():
            # On a copy: in training mode a forward moves BatchNorm's running statistics.
            logits: Tensor = copy.deepcopy(network)(images)
        answers = logits.softmax(dim=1) if self.softmax else logits
        return float(answers.std(dim=0).mean())


def main() -> float:
    images, labels = DigitsDataModule().probe(32)
    space = NasBench201Space()
    cell = space.random_architecture(torch.Generator().manual_seed(0))
    network = space.network(cell, in_channels=1, channels=4, cells_per_stage=1)
    score = LogitSpread().score(network, images, labels)
    print(f"{space.format(cell)}: {score:.4f}")
    return score


if __name__ == "__main__":
    main()
