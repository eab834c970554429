"""Records of spectra, against dense linear algebra."""

import math

import pytest
import torch

from models.analysis.spectra import (
    log10_quantiles,
    log10_spectrum,
    nngp_spectra,
    spectra_figure,
    spectrum_over_epochs_figure,
    spectrum_record,
)
from models.indicators import kernel_spectrum, nngp_kernel, paper_bound
from models.topology import Dag


def test_record_of_a_known_spectrum() -> None:
    basis = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64)).Q
    spectrum = kernel_spectrum(basis @ torch.diag(torch.tensor([100.0, 10, 1]).double()) @ basis.T)
    assert spectrum_record(spectrum) == pytest.approx(
        {"log10_condition_number": 2, "lambda_max": 100, "lambda_min": 1, "rank": 3}
    )
    assert log10_spectrum(spectrum).tolist() == pytest.approx([0, 1, 2], abs=1e-9)


def test_a_singular_kernel_is_infinite_and_one_that_is_not_finite_is_nan() -> None:
    singular = kernel_spectrum(torch.ones(4, 4))
    record = spectrum_record(singular)
    assert (record["log10_condition_number"], record["rank"]) == (math.inf, 1)
    unknown = spectrum_record(None)
    assert list(unknown) == list(record)
    assert all(map(math.isnan, unknown.values()))


def test_nngp_spectra_are_those_of_the_kernels() -> None:
    dag, images = Dag.parse("2_21_112"), torch.randn(6, 1, 4, 4)
    record, spectra = nngp_spectra(dag, images)
    exact = torch.linalg.eigvalsh(nngp_kernel(dag, images))
    paper = torch.linalg.eigvalsh(nngp_kernel(dag, images, recursion="paper"))
    assert record == pytest.approx(
        {
            "lambda_min": float(exact[0]),
            "lambda_max": float(exact[-1]),
            "log10_condition_number": math.log10(exact[-1] / exact[0]),
            "paper_bound": paper_bound(dag, images),
        }
    )
    torch.testing.assert_close(list(spectra.values()), [exact, paper])


def test_figure_has_positive_eigenvalues_in_units_of_their_mean() -> None:
    (axes,) = spectra_figure({"kernel": torch.tensor([-1e-9, 1.0, 2.0, 5.0])}).axes
    (line,) = axes.get_lines()
    assert list(line.get_xdata()) == [1, 2, 3]
    assert list(line.get_ydata()) == pytest.approx([2.5, 1.0, 0.5])


def test_quantiles_of_a_spectrum_are_lines_over_epochs() -> None:
    exponents = torch.arange(11.0)
    assert log10_quantiles(exponents) == [10.0, 9.0, 5.0, 1.0, 0.0]
    figure = spectrum_over_epochs_figure({2: [4, 3, 2, 1, 0], 0: [9, 8, 7, 6, 5]})
    lines = figure.axes[0].lines
    assert [line.get_label() for line in lines] == ["greatest", "90 %", "median", "10 %", "least"]
    assert all(list(line.get_xdata()) == [0, 2] for line in lines)
    assert list(lines[2].get_ydata()) == [7, 2]
