"""The strategy of a search on several devices."""

from typing import Any

from pytorch_lightning.strategies import DDPStrategy, StrategyRegistry


class SearchStrategy(DDPStrategy):
    """Processes that share a search's candidates and average no gradients.

    Plain DDP would all-reduce whatever `.grad` an indicator leaves behind, and wait for parameters
    that a mask leaves unused. Processes talk by gloo unless `process_group_backend` says otherwise.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Scores are sent once a round: NCCL would bring start-up, memory and time-outs.
        kwargs.setdefault("process_group_backend", "gloo")
        super().__init__(*args, **kwargs)

    def configure_ddp(self) -> None:
        """Leave the module as it is: nothing is trained."""


StrategyRegistry.register("search", SearchStrategy, description=SearchStrategy.__doc__)
