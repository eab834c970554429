"""DARTS genotypes: a normal and a reduction cell, as text and as JSON."""

import ast
import json
import reprlib
import warnings
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from models.topology import DartsCell

_repr = reprlib.Repr()
_repr.maxstring = _repr.maxother = 60
_quote = _repr.repr


@dataclass(frozen=True)
class DartsGenotype:
    """An architecture of the DARTS space (Liu et al. 2019).

    The output of a cell always concatenates its nodes 2 to 5.

    Args:
        normal: the cell that keeps height and width.
        reduce: the cell that halves them.
    """

    normal: DartsCell
    reduce: DartsCell

    MAXIMUM_LENGTH: ClassVar[int] = 10_000
    """Characters of text that `parse` reads; a genotype has about 500."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `Genotype(normal=[('sep_conv_3x3', 1), …], normal_concat=range(2, 6), reduce=…)`.

        JSON as `to_json` writes it is read too. `normal_concat` and `reduce_concat` may be a list,
        a tuple or a range, or be left out.

        Raises:
            ValueError: one line that quotes the offending part.
        """
        return cls.from_json(fields_of(text, "DARTS genotype", cls.MAXIMUM_LENGTH))

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Build from a dictionary with `normal` and `reduce`, lists of (operation, input) pairs.

        Raises:
            ValueError: one line that quotes the offending part.
        """
        if not isinstance(value, dict):
            raise ValueError(
                f"DARTS genotype: expected a dictionary of normal and reduce, got {_quote(value)}"
            )
        allowed = ("normal", "normal_concat", "reduce", "reduce_concat")
        for key in value:
            if key not in allowed:
                raise ValueError(
                    f"DARTS genotype: unknown field {_quote(key)}; allowed: {', '.join(allowed)}"
                )
        cells = {}
        for name in ("normal", "reduce"):
            if name not in value:
                raise ValueError(f"DARTS genotype: {name} is missing")
            try:
                cells[name] = DartsCell.parse(value[name])
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
            except RecursionError:
                raise ValueError(f"DARTS genotype: {name} is nested too deeply") from None
            concat = value.get(f"{name}_concat", range(2, 6))
            # A range is compared as such: it may have any length.
            if concat != range(2, 6) and concat not in ([2, 3, 4, 5], (2, 3, 4, 5)):
                raise ValueError(
                    f"DARTS genotype: {name}_concat is {_quote(concat)}, expected [2, 3, 4, 5]"
                )
        return cls(**cells)

    def to_json(self) -> dict[str, Any]:
        """Dictionaries and lists for `json.dump`."""
        value: dict[str, Any] = {}
        for name, cell in (("normal", self.normal), ("reduce", self.reduce)):
            value[name] = [list(pair) for pair in cell.edges]
            value[f"{name}_concat"] = list(DartsCell.NODES)
        return value

    def __str__(self) -> str:
        return (
            f"Genotype(normal={self.normal}, normal_concat=range(2, 6), "
            f"reduce={self.reduce}, reduce_concat=range(2, 6))"
        )


def fields_of(text: str, what: str, at_most: int) -> Any:
    """Read the fields of a `Genotype(…)`, or JSON, unchecked.

    Args:
        text: of either.
        what: is read, for messages.
        at_most: characters.

    Raises:
        ValueError: one line that quotes the offending part.
    """
    if not isinstance(text, str):
        raise ValueError(f"{what}: expected a string, got {_quote(text)}")
    if len(text) > at_most:
        raise ValueError(f"{what}: {len(text)} characters, expected at most {at_most}")
    text = text.strip()
    return _from_json_text(text, what) if text.startswith("{") else _from_call(text, what)


def _from_json_text(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{what}: {_quote(text)} is not JSON: {error}") from None


def _from_call(text: str, what: str) -> dict[str, Any]:
    """The keywords of a `Genotype(…)` expression, read without running it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd escapes in text that is refused below
            call = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        call = None
    match call:
        case ast.Call(func=ast.Name(id="Genotype"), args=[], keywords=keywords):
            names = [keyword.arg for keyword in keywords]
            if len(set(names)) == len(names) and None not in names:
                return {str(key.arg): _value(key.value, text, what) for key in keywords}
    raise ValueError(
        f"{what}: expected Genotype(normal=[…], reduce=[…]) with named fields, got {_quote(text)}"
    )


def _value(node: ast.expr, text: str, what: str) -> Any:
    """A literal, or a range of literals."""
    try:
        match node:
            case ast.Call(func=ast.Name(id="range"), args=[start, stop], keywords=[]):
                return range(ast.literal_eval(start), ast.literal_eval(stop))
            case _:
                return ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError, MemoryError):
        given = _quote(ast.get_source_segment(text, node))
        raise ValueError(f"{what}: {given} is neither a list nor a range") from None
