"""A schedule that a config can name: torch's own, put together."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR


class WarmupCosine(SequentialLR):
    """Linear growth to the optimizer's rate, then half a cosine to 0; stepped once per epoch.

    Epoch t < `warmup` (from 0) trains at (t + 1)/`warmup` of the rate.

    Args:
        optimizer: whose rate is the highest.
        epochs: all of them, the warm-up too; as `trainer.max_epochs`.
        warmup: epochs of growth.

    Raises:
        ValueError: no warm-up, or nothing after it.
    """

    def __init__(self, optimizer: Optimizer, epochs: int, warmup: int = 5) -> None:
        if not 1 <= warmup < epochs:
            raise ValueError(f"warmup: expected 1 to {epochs - 1} epochs, got {warmup}")
        # The last epoch of growth is at the full rate already.
        growth = LinearLR(optimizer, start_factor=1 / warmup, total_iters=warmup - 1)
        cosine = CosineAnnealingLR(optimizer, T_max=epochs - warmup)
        super().__init__(optimizer, [growth, cosine], milestones=[warmup])
