"""Archives that torch.save does not write, and files that are none: each is read as torch reads it, or is refused."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chemprop_cases import FILES, checkpoint
from graphscore.export import ExportError, from_chemprop
from graphscore.export.chemprop._archive import open_archive
from graphscore.export.chemprop._checkpoint import Checkpoint
from graphscore.export.chemprop._network import read_network

Entries = list[tuple[str, bytes]]


def rezipped(change: Callable[[str, bytes], Entries]) -> bytes:
    """The plain checkpoint, each entry of which is another one, none, or several."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(FILES["plain.pt"])) as found, zipfile.ZipFile(buffer, "w") as made:
        for place in found.infolist():
            for name, data in change(place.filename, found.read(place)):
                made.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()


def only(ending: str, change: Callable[[str, bytes], Entries]) -> Callable[[str, bytes], Entries]:
    """Change the entries whose names end so, and leave the others."""
    return lambda name, data: change(name, data) if name.endswith(ending) else [(name, data)]


READ: dict[str, Callable[[str, bytes], Entries]] = {
    "a name above the folder": lambda name, data: [(f"../../{name}", data)],
    "an absolute name": lambda name, data: [(f"/{name}", data)],
    "no folder": lambda name, data: [(name.partition("/")[2], data)],
    "an entry beside": only("/data.pkl", lambda name, data: [(name, data), ("../../beside", b"x")]),
    "no byteorder": only("/byteorder", lambda _name, _data: []),
}


@pytest.mark.parametrize("case", READ)
def test_names_of_entries_are_no_paths(case: str, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    (folder / "model.pt").write_bytes(rezipped(READ[case]))
    from_chemprop([folder / "model.pt"], folder / "model")
    outside = {found for found in tmp_path.rglob("*") if folder not in found.parents}
    assert outside == {tmp_path / "a", folder}


REFUSED: dict[str, tuple[Callable[[str, bytes], Entries], str]] = {
    "twice": (only("/data/0", lambda name, data: [(name, data)] * 2), "an entry occurs twice"),
    "pickles": (only("/data.pkl", lambda name, data: [(name, data), ("b/data.pkl", data)]), "it has 2 times data.pkl"),
    "no pickle": (only("/data.pkl", lambda _name, _data: []), "it has no data.pkl"),
    "backslashes": (lambda name, data: [(name.replace("/", "\\"), data)], "it has no data.pkl"),
    "big-endian": (only("/byteorder", lambda name, _data: [(name, b"big")]), "its numbers are not little-endian"),
    "a long order": (only("/byteorder", lambda name, data: [(name, data * 9)]), "its numbers are not little-endian"),
    "an empty order": (only("/byteorder", lambda name, _data: [(name, b"")]), "its numbers are not little-endian"),
    "no numbers": (only("/data/0", lambda _name, _data: []), "entry data/0 is missing"),
    "numbers too short": (only("/data/0", lambda name, data: [(name, data[:-1])]), "does not lie in the 2407 bytes"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("case", REFUSED)
def test_an_archive_of_something_else_is_refused(case: str, tmp_path: Path) -> None:
    change, said = REFUSED[case]
    (tmp_path / "model.pt").write_bytes(rezipped(change))
    with pytest.raises(ExportError, match=f"model.pt: .*{said}"):
        from_chemprop([tmp_path / "model.pt"], tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (os.mkfifo, "is no regular file: write it to a file first"),
        (lambda path: path.symlink_to("/dev/zero"), "is no regular file: write it to a file first"),
        (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
        (lambda path: path.symlink_to("none"), "No such file or directory"),
        (Path.mkdir, "is a folder; name the .pt or .ckpt files in it"),
    ],
)
def test_what_is_no_file_is_refused_at_once(make: Callable[[Path], Any], said: str, tmp_path: Path) -> None:
    make(tmp_path / "model.pt")
    with pytest.raises(ExportError, match=said):
        from_chemprop([tmp_path / "model.pt"], tmp_path / "model")


@pytest.mark.parametrize("key", ["d_v", "d_e", "d_h"])
def test_weights_of_other_widths_than_the_hyperparameters_are_refused(key: str, tmp_path: Path) -> None:
    """chemprop does not load them either."""
    with open_archive(checkpoint(tmp_path, "plain")) as archive:
        made = Checkpoint(archive)
        entries: Any = made.parameters.get("message_passing")
        entries[key] += 1
        with pytest.raises(ExportError, match=rf"message_passing\.{key} is {entries[key]}, but W_i, W_h and W_o have"):
            read_network(made)
