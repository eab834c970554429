"""Texts of architectures: the field's own, and everything that is not one."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from models.spaces import DartsGenotype, DartsSpace, NasBench201Space

# Liu et al. 2019, second order, as their code prints it.
DARTS_V2 = (Path(__file__).parents[1] / "data" / "darts_v2.txt").read_text().strip()
NB201 = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|nor_conv_1x1~0|none~1|avg_pool_3x3~2|"


def test_published_text_in_its_variants() -> None:
    genotype = DartsGenotype.parse(DARTS_V2)
    assert genotype.normal.edges[7] == ("dil_conv_3x3", 2)
    assert genotype.reduce.edges[0] == ("max_pool_3x3", 0)
    variants = [
        DARTS_V2.replace("[2, 3, 4, 5]", "range(2, 6)"),
        DARTS_V2.replace("[2, 3, 4, 5]", "(2, 3, 4, 5)"),
        DARTS_V2.replace(", normal_concat=[2, 3, 4, 5]", ""),
        f"\n  {DARTS_V2} ".replace("),", "),\n  "),
        json.dumps(genotype.to_json(), indent=2),
        str(genotype),
    ]
    for text in variants:
        assert DartsGenotype.parse(text) == genotype
    assert DartsGenotype.from_json(json.loads(json.dumps(genotype.to_json()))) == genotype
    assert hash(DartsGenotype.parse(variants[0])) == hash(genotype)


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        (DARTS_V2.replace("dil_conv_3x3", "conv_3x3"), "normal: DARTS cell.*'conv_3x3'"),
        (DARTS_V2.replace("dil_conv_3x3", "conv"), "normal: DARTS cell.*'conv'"),
        (DARTS_V2.replace("('dil_conv_3x3', 2)", "('dil_conv_3x3', 5)"), "'dil_conv_3x3', 5"),
        (DARTS_V2.replace(", ('dil_conv_3x3', 2)", ""), "normal: .*expected 8 .* got 7"),
        (DARTS_V2.replace("('dil_conv_3x3', 2)", "('dil_conv_3x3',)"), "dil_conv_3x3"),
        (DARTS_V2.replace("reduce=", "reduction="), "unknown field 'reduction'"),
        (DARTS_V2.replace("normal_concat=[2, 3, 4, 5]", "normal_concat=[2, 3]"), r"\[2, 3\]"),
        (DARTS_V2.replace("[2, 3, 4, 5]", "range(0, 9**9)"), r"range\(0, 9\*\*9\)"),
        (DARTS_V2.replace("[2, 3, 4, 5]", "range(0, 99999999999999)"), "99999999999999"),
        (DARTS_V2.replace("Genotype(", "__import__('os')("), "__import__"),
        (DARTS_V2.replace("[2, 3, 4, 5]", "exit()"), r"'exit\(\)'"),
        ("Genotype(normal=[])", "normal: .* got 0"),
        ("Genotype(reduce=[])", "normal is missing"),
        ("Genotype(normal=[], normal=[])", "named fields"),
        ("Genotype(**{})", "named fields"),
        ('{"normal": 3}', "normal: .*3"),
        ('{"normal": [', "is not JSON"),
        (NB201, r"\|nor_conv_3x3~0"),
        ("", "''"),
        (None, "None"),
        ("[" * 5_000, "named fields"),
        ('{"normal":' + "[" * 5_000 + "]" * 4_000 + "}", "JSON|nested"),
        ("Genotype(normal=" + "-" * 5_000 + "1)", "expected|neither"),
        ("x" * 20_000, "20000 characters"),
        ("Genotype(normal='\\d\0')", "named fields"),
    ],
)
def test_errors_are_one_line_that_quotes(text: Any, quoted: str) -> None:
    with pytest.raises(ValueError, match=quoted) as error:
        DartsGenotype.parse(text)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 250


def test_json_of_another_kind() -> None:
    with pytest.raises(ValueError, match="expected a dictionary of normal and reduce, got 'x'"):
        DartsGenotype.from_json("x")
    with pytest.raises(ValueError, match="unknown field 3"):
        DartsGenotype.from_json({3: 4})


def mutations(text: str, count: int, seed: int) -> list[str]:
    """Texts with a few characters or pieces removed, doubled, exchanged or inserted."""
    rng = random.Random(seed)
    alphabet = "()[]{}'\",:=|+~_ 0123456789abcxyz\\\n\0é∞-*"
    pieces = [
        "none",
        "Genotype",
        "range(2, 6)",
        "~0",
        "|",
        "'skip_connect'",
        "True",
        "1e9",
        "lambda",
    ]
    mutants = []
    for _ in range(count):
        mutant = text
        for _ in range(rng.randint(1, 4)):
            i, j = sorted(rng.randrange(len(mutant) + 1) for _ in range(2))
            j = min(j, i + 12)
            new = rng.choice(["", rng.choice(alphabet), rng.choice(pieces), mutant[i:j] * 2])
            mutant = mutant[:i] + new + mutant[j if rng.random() < 0.7 else i :]
        mutants.append(mutant)
    return mutants


@pytest.mark.parametrize(
    ("space", "text"),
    [
        (NasBench201Space(), NB201),
        (DartsSpace(), DARTS_V2),
        (DartsSpace(), json.dumps(DartsGenotype.parse(DARTS_V2).to_json())),
    ],
    ids=["nasbench201", "darts text", "darts JSON"],
)
@pytest.mark.filterwarnings("error")
def test_mutated_texts_are_read_or_refused(space: NasBench201Space | DartsSpace, text: str) -> None:
    outcomes = {"read": 0, "refused": 0}
    lines = set()
    for mutant in mutations(text, 3_000, seed=7):
        try:
            architecture = space.parse(mutant)
        except ValueError as error:
            outcomes["refused"] += 1
            lines.add(str(error).count("\n"))
        else:
            assert space.parse(space.format(architecture)) == architecture
            assert torch.is_tensor(space.mask_of(architecture))
            outcomes["read"] += 1
    assert min(outcomes.values()) > 0
    assert lines == {0}, "every error is one line"
