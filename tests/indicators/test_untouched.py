"""The arithmetic of scores."""

from torch.backends import cudnn

from models.indicators._autograd.untouched import full_precision


def test_full_precision_reaches_a_part_that_has_a_setting_of_its_own() -> None:
    before = cudnn.conv.fp32_precision
    cudnn.conv.fp32_precision = "tf32"  # whatever torch.backends.fp32_precision says
    try:
        with full_precision():
            assert cudnn.conv.fp32_precision == cudnn.rnn.fp32_precision == "ieee"
        assert cudnn.conv.fp32_precision == "tf32"
    finally:
        cudnn.conv.fp32_precision = before
