"""The Python examples of the README run."""

import pathlib
import re

import pytest

README = pathlib.Path(__file__).parents[3] / "README.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("idx", range(len(EXAMPLES)))
def test_example(idx):
    exec(compile(EXAMPLES[idx], f"README example {idx}", "exec"), {"__name__": "example"})


def test_there_are_examples():
    assert EXAMPLES
