"""A network on a device, by few copies."""

import torch
from torch import nn


@torch.no_grad()
def place_(network: nn.Module, device: torch.device) -> nn.Module:
    """Move a network from the CPU, in place, and return it.

    A copy per type of tensor instead of one per tensor: a small network has a hundred of them, and
    copying one takes as long as copying all. Tensors of a type then share one buffer, which is
    freed with the last of them.

    Args:
        network: on the CPU; its parameters and buffers keep their identity.
        device: where to.
    """
    if device.type == "cpu":
        return network
    tensors = [*network.parameters(), *network.buffers()]
    for dtype in {tensor.dtype for tensor in tensors}:
        alike = [tensor for tensor in tensors if tensor.dtype == dtype]
        flat = torch.cat([tensor.reshape(-1) for tensor in alike]).to(device)
        parts = torch.split(flat, [tensor.numel() for tensor in alike])
        for tensor, part in zip(alike, parts, strict=True):
            tensor.data = part.view_as(tensor)
    return network
