"""Quoting of refused values in error messages."""


def shown(text: object) -> str:
    """`text` in quotes, cut where it is long."""
    quoted = repr(text)
    return quoted if len(quoted) <= 120 else f"{quoted[:80]}… ({len(quoted)} characters)"
