"""Every example is a configuration that works."""

from pathlib import Path

import pytest

from ghostjax.cli._config import load, RunConfig, simulation


FOLDER = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("*.yaml")))
def test_an_example_can_be_run(name):
    config = load(FOLDER / name, RunConfig)
    made = simulation(config)
    assert made.num_nodes == config.nodes and made.byzantine.sum() == config.byzantine
    assert f"ghostjax run examples/{name}" in (FOLDER / name).read_text()
