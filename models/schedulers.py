"""A schedule that a config can name: torch's own, put together."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

_LAST = 5


class WarmupLinear(LambdaLR):
    """Linear growth to the optimizer's rate, then a straight line to 0; stepped once per epoch.

    The schedule by which P-DARTS, PC-DARTS and TE-NAS train on ImageNet. Epoch t < `warmup` (from
    0) trains at (t + 1)/`warmup` of the rate; the others at (`epochs` − 5 − t)/(`epochs` − 5), but
    for the last five, which share the last step of that line: one to a fifth of 1/(`epochs` − 5).

    Args:
        optimizer: whose rate is the highest.
        epochs: all of them, the warm-up too; as `trainer.max_epochs`.
        warmup: epochs of growth.

    Raises:
        ValueError: no warm-up, or no room between it and the last five epochs.
    """

    def __init__(self, optimizer: Optimizer, epochs: int, warmup: int = 5) -> None:
        if not 1 <= warmup < epochs - _LAST:
            raise ValueError(
                f"warmup: expected 1 to {epochs - _LAST - 1} of {epochs} epochs, got {warmup}"
            )
        line = epochs - _LAST

        def share(epoch: int) -> float:
            if epoch < warmup:
                return (epoch + 1) / warmup
            if epoch < line:
                return (line - epoch) / line
            return max(epochs - epoch, 0) / (_LAST * line)

        super().__init__(optimizer, share)
