"""Files that are no checkpoint of chemprop, or not a whole one: each its sentence, and nothing of them is run."""

from __future__ import annotations

import io
import os
import pickle
import random
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphscore
from chemprop_cases import CHECKPOINTS, FILES, array, checkpoint, molecules
from graphscore.export import ExportError, from_chemprop

PLAIN = FILES["plain.pt"]
MEMORY = 64 << 20
CHEMPROP_1 = (
    "it is a checkpoint of chemprop 1; convert it with `chemprop convert --conversion v1_to_v2`, and export what that"
    " writes"
)


def entries(data: bytes = PLAIN) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def with_pickle(data: bytes) -> bytes:
    return zipped({name: data if name.endswith("/data.pkl") else kept for name, kept in entries().items()})


def edited(edit: Callable[[bytes], bytes]) -> bytes:
    found = entries()
    return with_pickle(edit(found["plain/data.pkl"]))


def refused(folder: Path, data: bytes) -> str:
    """Export a file that must be refused, and return what is said; memory is bounded, and no folder appears."""
    path = folder / "model.pt"
    path.write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(ExportError) as caught:
            from_chemprop([path], folder / "model")
        assert tracemalloc.get_traced_memory()[1] < MEMORY + 8 * len(data)
    finally:
        tracemalloc.stop()
    assert [found.name for found in folder.iterdir()] == ["model.pt"]
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert len(text.splitlines()) == 1
    return text[len(f"{path}: ") :]


class Calls:
    """Pickles as a call of a function."""

    def __init__(self, function: Any, *arguments: object) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> tuple[Any, tuple[object, ...]]:
        return self._call


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (os.system, ("touch {}",)),
        (open, ("{}", "w")),
        (eval, ("__import__('pathlib').Path('{}').touch()",)),
        (exec, ("open('{}', 'w')",)),
        (__import__, ("this",)),
        (getattr, (os, "system")),
        (pickle.loads, (b"",)),
        (np.load, ("{}", None, True)),
    ],
)
def test_nothing_of_a_pickle_is_run(function: Any, arguments: tuple[Any, ...], protocol: int, tmp_path: Path) -> None:
    sign = tmp_path.parent / f"{tmp_path.name}.ran"
    given = [str(argument).format(sign) if isinstance(argument, str) else argument for argument in arguments]
    call = Calls(function, *(value for value in given if value is not os))
    said = refused(tmp_path, with_pickle(pickle.dumps({"hyper_parameters": call, "state_dict": {}}, protocol)))
    assert not sign.exists()
    assert "nothing of it was run" in said or "none that torch.save writes" in said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (b"cposix\nsystem\n", "posix.system"),
        (b"ctorch\nload\n", "torch.load"),
        (b"ctorch.hub\nload\n", "torch.hub.load"),
        (b"cnumpy\nload\n", "numpy.load"),
        (b"cbuiltins\neval\n", "builtins.eval"),
        (b"cfunctools\npartial\n", "functools.partial"),
        (b"cgraphscore.export\nfrom_pyg\n", "graphscore.export.from_pyg"),
        (b"cchempropish\nModel\n", "chempropish.Model"),
        (b"c" + b"a" * 900 + b"\nb\n", "'" + "a" * 60 + "'"),
    ],
)
def test_a_foreign_name_is_refused_by_name(name: bytes, said: str, tmp_path: Path) -> None:
    text = refused(tmp_path, with_pickle(b"\x80\x02}X\x01\x00\x00\x00a" + name + b")Rs."))
    assert text == (
        f"its pickle names {said}, which no checkpoint of chemprop 2 needs; nothing of it was run, and the file is not"
        " read"
    )


def test_a_known_name_is_never_called(tmp_path: Path) -> None:
    """What chemprop's own classes would be called with is kept, not given to them."""
    text = refused(
        tmp_path, edited(lambda data: data.replace(b"cchemprop.nn.agg\nNormAggregation", b"cchemprop.os\nsystem"))
    )
    assert text.startswith("hyper_parameters.agg.cls is system, which has no operation here; known are MeanAggregation")


BOMBS = {
    "memo far away": b"\x80\x02}r\xff\xff\xff\x7f.",
    "length of a text": b"\x80\x02X\xff\xff\xff\xff.",
    "length of bytes": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62) + b".",
    "a byte array": b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b".",
    "a long integer": b"\x80\x02\x8b\xff\xff\xff\x7f.",
    "laughs": b"\x80\x02]q\x00" + b"".join(b"]q%c(" % (i + 1) + b"h%c" % i * 10 + b"e" for i in range(100)) + b".",
    "depth": b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
    "deep tuples as a key": b"\x80\x02})" + b"\x85" * 100_000 + b"Ns.",
    "a list in itself": b"\x80\x02]q\x00h\x00a.",
    "texts again and again": b"\x80\x02X\x00\x00\x10\x00"
    + b"a" * (1 << 20)
    + b"q\x000"
    + b"h\x00X\x06\x00\x00\x00latin1\x86" * 9
    + b".",
    "operations": b"\x80\x02" + b"N0" * 300_000 + b"N.",
    "marks": b"(" * 100_000 + b".",
    "nothing": b"",
    "only the end": b".",
    "an empty stack": b"\x80\x02R.",
    "no end": b"\x80\x02}",
    "no utf-8": b"\x80\x02X\x01\x00\x00\x00\xff.",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_pickle_bomb_is_refused(bomb: str, tmp_path: Path) -> None:
    assert refused(tmp_path, with_pickle(BOMBS[bomb]))


def test_bytes_of_protocol_2_are_not_made_again_and_again(tmp_path: Path) -> None:
    """A text of a megabyte that 20,000 calls would make bytes of."""
    text = (
        b"\x80\x02X\x00\x00\x10\x00"
        + b"a" * (1 << 20)
        + b"q\x00X\x06\x00\x00\x00latin1q\x01\x86q\x020]c_codecs\nencode\nq\x03("
    )
    refused(tmp_path, with_pickle(text + b"h\x03h\x02R" * 20_000 + b"e."))


def test_a_large_pickle_is_not_read(tmp_path: Path) -> None:
    said = refused(tmp_path, with_pickle(bytes(5 << 20)))
    assert said == "its data.pkl has 5242880 bytes, at most 4194304 are read; it is no checkpoint of chemprop"


def test_zeros_that_are_compressed_are_refused(tmp_path: Path) -> None:
    """However many they would be: torch does not compress."""
    largest = max((name for name in entries() if "/data/" in name), key=lambda name: len(entries()[name]))
    zeros = entries() | {largest: bytes(100 << 20)}
    data = zipped(zeros, zipfile.ZIP_DEFLATED)
    assert len(data) < 1 << 20
    said = refused(tmp_path, data)
    assert said.startswith("entry byteorder is compressed; torch.save stores entries as they are")


def test_entries_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    """Each of 20,000 entries of the directory is the same megabyte of the file."""
    data = zipped({"x/data.pkl": pickle.dumps({}, 2), "x/data/0": bytes(1 << 20)})
    at = data.rindex(b"PK\x01\x02")
    end = data.rindex(b"PK\x05\x06")
    begin = data.index(b"PK\x01\x02")
    directory = data[begin:end] + data[at:end] * 20_000
    tail = struct.pack("<4sHHHHLLH", b"PK\x05\x06", 0, 0, 20_002, 20_002, len(directory), begin, 0)
    assert refused(tmp_path, data[:begin] + directory + tail)


@pytest.mark.parametrize("claimed", [0, 3 << 30, 0xFFFFFFFF])
def test_sizes_that_the_directory_claims_are_not_believed(claimed: int, tmp_path: Path) -> None:
    """The directory says 3 GB of a stored entry that has a few bytes."""
    largest = max((name for name in entries() if "/data/" in name), key=lambda name: len(entries()[name]))
    at = PLAIN.rindex(b"PK\x01\x02", 0, PLAIN.rindex(largest.encode()))
    said = refused(tmp_path, PLAIN[: at + 20] + struct.pack("<II", claimed, claimed) + PLAIN[at + 28 :])
    assert "damaged" in said or "no zip archive" in said


@pytest.mark.parametrize("part", [0.0, 0.001, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_refused(part: float, tmp_path: Path) -> None:
    said = refused(tmp_path, PLAIN[: int(len(PLAIN) * part)])
    assert "truncated" in said or "no zip archive" in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([], "it holds no model of chemprop: a checkpoint is a dictionary with hyper_parameters"),
        (
            {"model": 1},
            "it has no hyper_parameters and state_dict, but 'model'; name a .pt or .ckpt file of chemprop 2",
        ),
        (
            {"args": {}, "state_dict": {}},
            CHEMPROP_1,
        ),
        ({"hyper_parameters": 1, "state_dict": {}}, "hyper_parameters is 1, expected a dictionary"),
        (
            {"hyper_parameters": {"message_passing": {"blocks": []}}, "state_dict": {}},
            "it is a MulticomponentMPNN; only models of one molecule can be exported",
        ),
        (
            {"hyper_parameters": {"atom_predictor": {}, "message_passing": {}}, "state_dict": {}},
            "it is a MolAtomBondMPNN; only models of properties of whole molecules can be exported",
        ),
    ],
)
def test_other_checkpoints_are_refused_by_name(content: Any, said: str, tmp_path: Path) -> None:
    assert refused(tmp_path, with_pickle(pickle.dumps(content, 2))) == said


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("reaction", "it takes 106 features an atom and 28 a bond, which are those of reactions; only models of one"),
        ("multicomponent", "it is a MulticomponentMPNN; only models of one molecule can be exported"),
        ("dirichlet", "hyper_parameters.predictor.cls is BinaryDirichletFFN, whose predictions cannot be exported"),
        ("spectral", "hyper_parameters.predictor.cls is SpectralFFN, whose predictions cannot be exported"),
    ],
)
def test_models_of_other_kinds_are_refused_by_name(case: str, said: str, tmp_path: Path) -> None:
    assert refused(tmp_path, FILES[f"refused/{case}.pt"]).startswith(said)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            b"RegressionFFN",
            b"SpectralFFN",
            "hyper_parameters.predictor.cls is SpectralFFN, whose predictions cannot be",
        ),
        (
            b"BondMessagePassing",
            b"MABBondMessagePassing",
            "hyper_parameters.message_passing.cls is MABBondMessagePassing",
        ),
        (b"X\x04\x00\x00\x00relu", b"X\x04\x00\x00\x00gelu", "hyper_parameters.message_passing.activation is 'gelu'"),
        (b"message_passing.W_o.bias", b"message_passing.W_x.bias", "state_dict has no message_passing.W_o.bias"),
        (b"message_passing.W_o.weight", b"message_passing.W_x.weight", "state_dict has no message_passing.W_o.weight"),
    ],
)
def test_another_network_is_refused_by_name(old: bytes, new: bytes, said: str, tmp_path: Path) -> None:
    def edit(data: bytes) -> bytes:
        assert old in data
        for length in (4, 1):
            form = {4: "<I", 1: "<B"}[length]
            data = data.replace(struct.pack(form, len(old)) + old, struct.pack(form, len(new)) + new)
        return (
            data.replace(old + b"\n", new + b"\n").replace(old, new)
            if len(old) == len(new)
            else data.replace(old + b"\n", new + b"\n")
        )

    assert refused(tmp_path, edited(edit)).startswith(said)


def test_outputs_that_no_folder_may_have_are_refused(tmp_path: Path) -> None:
    found = entries(FILES["two_tasks_unscaled.pt"])
    name = "two_tasks_unscaled/data.pkl"
    for column, why in (
        (b"logS", "'logS' occurs twice; names must be unique"),
        (b"graph_id", "'graph_id' is a column"),
    ):
        new = struct.pack("<I", len(column)) + column
        data = found[name].replace(struct.pack("<I", 9) + b"half life", new)
        said = refused(tmp_path, zipped(found | {name: data}))
        assert said.startswith(f"the folder would not load: config.json: outputs[1]: {why}")


def weights(change: Callable[[bytes], bytes]) -> bytes:
    """The plain checkpoint with the numbers of its largest tensor changed."""
    found = entries()
    name = max((name for name in found if "/data/" in name), key=lambda name: len(found[name]))
    return zipped(found | {name: change(found[name])})


def test_weights_that_are_not_finite_are_refused_by_name(tmp_path: Path) -> None:
    nan = np.float32(np.nan).tobytes()
    said = refused(tmp_path, weights(lambda data: data[:8] + nan + data[12:]))
    assert said == "tensor message_passing.W_i.weight has 1 values that are not finite as float32; train it again"


def test_weights_that_are_missing_are_refused_by_name(tmp_path: Path) -> None:
    said = refused(tmp_path, weights(lambda data: data[:100]))
    assert said.startswith("tensor message_passing.W_i.weight of shape [7, 86] does not lie in the 100 bytes")


@pytest.mark.parametrize(
    ("storage", "kind"), [(b"HalfStorage", np.float16), (b"BFloat16Storage", None), (b"DoubleStorage", np.float64)]
)
def test_other_precisions_are_what_chemprop_makes_of_them(storage: bytes, kind: Any, tmp_path: Path) -> None:
    """chemprop copies them into a model of float32."""

    def convert(data: bytes) -> bytes:
        values = np.frombuffer(data, np.float32)
        return (
            (values.view(np.uint32) >> 16).astype(np.uint16).tobytes()
            if kind is None
            else values.astype(kind).tobytes()
        )

    found = entries()
    data = found["plain/data.pkl"].replace(b"ctorch\nFloatStorage\n", b"ctorch\n" + storage + b"\n")
    found = {name: convert(value) if "/data/" in name and len(value) != 8 else value for name, value in found.items()}
    (tmp_path / "half.pt").write_bytes(zipped(found | {"plain/data.pkl": data}))
    from_chemprop([tmp_path / "half.pt"], tmp_path / "half")
    scores = [
        graphscore.Engine(graphscore.load_model(folder)).score(molecules({"x": 72, "edge_attr": 14})).values
        for folder in (tmp_path / "half",)
    ]
    assert np.abs(scores[0] - array("plain")).max() < {b"DoubleStorage": 1e-5, b"HalfStorage": 0.02}.get(storage, 0.2)


MUTATIONS = 80


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Change a few bytes of a checkpoint: anywhere, or in its pickle alone, whose checksum then fits."""
    found = entries(data)
    name = next(name for name in found if name.endswith("/data.pkl"))
    target = bytearray(found[name] if chance.random() < 0.8 else data)
    whole = len(target) == len(data)
    for _ in range(chance.choice((1, 1, 2, 5, 30))):
        at = chance.randrange(len(target))
        match chance.randrange(4):
            case 0:
                target[at] = chance.randrange(256)
            case 1:
                del target[at : at + chance.randrange(1, 20)]
            case 2:
                target[at:at] = target[(start := chance.randrange(len(target))) : start + chance.randrange(1, 60)]
            case _:
                target[at] = chance.choice(b"()}].0123QRabceghijqrstuNKMJX\x81\x85\x86\x87\x93\x94")
    return bytes(target) if whole else zipped(found | {name: bytes(target)})


def exported(path: Path, folder: Path) -> bool:
    """Return whether a file could be exported; where not, it was refused with one line."""
    try:
        from_chemprop([path], folder)
    except ExportError as error:
        return len(str(error).splitlines()) > 1 and pytest.fail(str(error))
    return True


@pytest.mark.parametrize("case", ["plain", "all_descriptors", "lightning"])
def test_a_mutated_checkpoint_is_exported_or_refused_with_a_sentence(case: str, tmp_path: Path) -> None:
    """Half of what is changed is not read at all (optimizers, metrics), so some load."""
    chance = random.Random(case)
    data, path, loaded = FILES[CHECKPOINTS[case]], checkpoint(tmp_path, case), 0
    tracemalloc.start()
    try:
        for _ in range(MUTATIONS):
            path.write_bytes(mutated(data, chance))
            loaded += exported(path, tmp_path / "model")
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()
    assert 0 < loaded < MUTATIONS
