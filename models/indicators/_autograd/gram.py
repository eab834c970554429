"""Gram matrix of rows that arrive a few columns at a time."""

import torch
from torch import Tensor

_ENTRIES = 2**23  # converted to float64 at a time


class Gram:
    """K = Σ J Jᵀ over blocks J (N, p) of any floating type: (N, N), summed in float64."""

    def __init__(self, samples: int, device: torch.device) -> None:
        # MPS knows no float64
        self._device = torch.device("cpu") if device.type == "mps" else device
        self._kernel = torch.zeros(samples, samples, dtype=torch.float64, device=self._device)
        self._pending: list[Tensor] = []
        self._waiting = 0

    def add_columns(self, J: Tensor) -> None:
        """Add J Jᵀ; narrow blocks wait for each other."""
        self._pending.append(J.detach())
        self._waiting += J.numel()
        if self._waiting > _ENTRIES:
            self._flush()

    def add_kernel(self, K: Tensor) -> None:
        """Add a Gram matrix made elsewhere."""
        self._kernel += K.to(self._device)

    def kernel(self) -> Tensor:
        """The sum so far, on the CPU."""
        self._flush()
        return self._kernel.cpu()

    def _flush(self) -> None:
        if self._pending:
            J = torch.cat(self._pending, dim=1)
            for block in torch.split(J, max(1, _ENTRIES // len(J)), dim=1):
                J64 = block.to(self._device, torch.float64)
                self._kernel.addmm_(J64, J64.T)
        self._pending.clear()
        self._waiting = 0
