"""Which checkpoints a search may go on from."""

from collections.abc import Mapping
from typing import Any


def resumable(checkpoint: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a search left in a checkpoint.

    Args:
        checkpoint: as Lightning reads it.
        ours: `settings`, a digest of the images `drawn` and the kind of `device` of the search that
            goes on; the last two None where they are not known yet.

    Raises:
        ValueError: a checkpoint of something else, or of a search with other settings, on other
            images or another kind of device.
    """
    saved = checkpoint.get("search")
    if saved is None:
        raise ValueError("ckpt_path: this checkpoint holds no search")
    if saved["in_round"]:
        raise ValueError(
            "ckpt_path: this checkpoint was written inside a round; take one from a round's end"
        )
    settings: Mapping[str, Any] = ours["settings"]
    for name in sorted(settings.keys() | saved["settings"].keys()):
        old, new = saved["settings"].get(name), settings.get(name)
        if old != new:
            raise ValueError(
                f"ckpt_path: the checkpoint was written with {name}={old!r}, not {new!r}"
            )
    drawn, device = (saved.get(name, ours[name]) for name in ("drawn", "device"))
    if ours["drawn"] and drawn != ours["drawn"]:
        raise ValueError("ckpt_path: the checkpoint's scores were taken on other images")
    if ours["device"] and device != ours["device"]:  # of another kind, scores differ by rounding
        raise ValueError(f"ckpt_path: the checkpoint's scores were taken on {device}")
    return dict(saved)
