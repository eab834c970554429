"""ReLU signs, as a score of one's own reads them."""

import torch
from torch import Tensor, nn

from models.indicators import Indicator, pass_relu_signs
from models.testing import check_indicator


class ActiveShare(Indicator):
    """Share of active units; higher is better."""

    name = "active_share"
    higher_is_better = True

    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        shares: list[Tensor] = []
        pass_relu_signs(network, images, lambda signs: shares.append(signs.double().mean()))
        return float(torch.stack(shares).mean())


def test_signs_come_in_the_order_of_calls_one_row_a_sample() -> None:
    relu = nn.ReLU()
    network = nn.Sequential(relu, nn.Linear(2, 3), relu, nn.Unflatten(1, (3, 1)), nn.ReLU())
    seen: list[Tensor] = []
    x = torch.tensor([[1.0, -1.0], [0.0, 2.0]])
    pass_relu_signs(network, x, seen.append)
    assert [signs.shape for signs in seen] == [(2, 2), (2, 3), (2, 3)]
    assert seen[0].tolist() == [[True, False], [False, True]]


def test_a_score_of_ones_own_stands_on_them() -> None:
    check_indicator(ActiveShare())
    half = nn.Sequential(nn.Flatten(), nn.ReLU())
    images = torch.tensor([1.0, -1.0]).expand(4, 1, 1, 2)
    assert ActiveShare().score(half, images, torch.zeros(4)) == 0.5


def test_a_network_may_ask_for_another_layout_of_its_images() -> None:
    seen: dict[bool, list[Tensor]] = {True: [], False: []}
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.ReLU())
    images = torch.randn(5, 3, 6, 6)
    pass_relu_signs(network, images, seen[False].append)
    network.cpu_format = torch.channels_last  # type: ignore[assignment]
    pass_relu_signs(network, images, seen[True].append)
    for ours, plain in zip(seen[True], seen[False], strict=True):
        ours, plain = ours.double(), plain.double()
        assert torch.equal(ours @ ours.T, plain @ plain.T)
    assert not torch.equal(seen[True][0], seen[False][0])  # in the order of its memory
