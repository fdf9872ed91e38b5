"""README.md: its example runs, and it names what exists."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from pathlib import Path

from graphscore._activations import ACTIVATIONS, OUTPUT_ACTIVATIONS
from graphscore._network import LAYER_KEYS
from graphscore._ops import OPERATIONS
from graphscore._ops.activation import FUNCTIONS

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_example_runs() -> None:
    text = re.sub(r"(?m)^```.*$", "", README)  # a fence is not expected output
    example = doctest.DocTestParser().get_doctest(text, {}, "README.md", "README.md", 0)
    assert len(example.examples) > 10
    report: list[str] = []
    assert doctest.DocTestRunner().run(example, out=report.append).failed == 0, "".join(report)


def test_programs_print_what_they_are_said_to() -> None:
    part = README[README.index("## Tables") : README.index("## Python API")]
    programs = re.findall(r"(?s)\n\n```python\n(.*?)```\n\n<!-- docs: output -->\n```\n(.*?)```", part)
    assert len(programs) == 2
    for program, expected in programs:
        top = Path(__file__).parents[2]
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=top)
        assert done.stdout == expected


def test_every_flag_and_variable_is_described() -> None:
    flags: set[str] = set()
    for command in (["serve"], ["convert", "smiles"]):
        done = subprocess.run(
            [sys.executable, "-m", "graphscore", *command, "--help"], capture_output=True, text=True, check=True
        )
        flags |= set(re.findall(r"--[a-z-]+", done.stdout)) - {"--help"}
    assert flags == set(re.findall(r"(?m)^\| `(--[a-z-]+)", README))
    source = Path(__file__).parent.parent / "src" / "graphscore"
    for path in source.rglob("*.py"):
        for name in re.findall(r'"((?:OTEL|GRPC|OPENBLAS|MKL|OMP)_[A-Z_]+)"', path.read_text()):
            assert f"`{name}`" in README, f"{path}: {name}"


def test_every_layer_and_activation_is_described() -> None:
    for name in (*LAYER_KEYS, *ACTIVATIONS, *OUTPUT_ACTIVATIONS):
        assert f"`{name}`" in README
    for name, keys in LAYER_KEYS.items():
        row = next(line for line in README.splitlines() if line.startswith(f"| `{name}` |"))
        assert all(f"`{key}`" in row for key in keys)


def test_the_command_names_what_exists() -> None:
    """The interpreter is that of `make build`; the model is the example's."""
    command = re.search(r"(?m)^(python/\.venv/bin/python -m graphscore serve .*)$", README)
    assert command is not None
    words = command[1].split()
    model = Path(__file__).parents[2] / words[words.index("--model") + 1]
    assert (model / "config.json").is_file()


def test_every_operation_and_function_is_described() -> None:
    part = README[README.index("### Models of steps") : README.index("## Python API")]
    for name, operation in OPERATIONS.items():
        row = next(line for line in part.splitlines() if re.match(rf"\|[^|]*`{name}`", line))
        keys = operation.keys if name != "activation" else {"function"}
        for key in keys:
            assert f"`{key}`" in row or f"`{key}=" in row, (name, key)
    for name, (_, parameters) in FUNCTIONS.items():
        assert f"`{name}`" in part
        assert all(f"`{key}" in part for key in parameters)
