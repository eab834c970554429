"""How a search runs on several devices."""

from pytorch_lightning.strategies import DDPStrategy, StrategyRegistry


class SearchStrategy(DDPStrategy):
    """Processes that share a search's candidates and average no gradients.

    Plain DDP would all-reduce whatever `.grad` an indicator leaves behind, and wait for parameters
    that a mask leaves unused.
    """

    def configure_ddp(self) -> None:
        """Leave the module as it is: nothing is trained."""


StrategyRegistry.register("search", SearchStrategy, description=SearchStrategy.__doc__)
