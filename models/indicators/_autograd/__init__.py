"""Private numerics of indicators: per-sample derivatives of a network left as it was found."""
