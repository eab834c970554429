"""The list of mutations follows the source; `make mutations` runs them."""

from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
MUTATIONS = yaml.safe_load(Path(__file__).with_name("mutations.yaml").read_text("utf-8"))


def test_every_mutation_is_of_one_place_in_the_source_and_names_its_tests() -> None:
    places = {
        m["formula"]: (ROOT / m["file"]).read_text("utf-8").count(m["source"]) for m in MUTATIONS
    }
    assert {formula: count for formula, count in places.items() if count != 1} == {}
    tests = {m["tests"].split("::")[0].split()[0] for m in MUTATIONS}
    assert [path for path in sorted(tests) if not (ROOT / path).is_file()] == []
