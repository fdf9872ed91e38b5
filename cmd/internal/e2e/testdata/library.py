"""Score the files of an input with the Python library, and compare with what a run wrote, to the bit.

usage: library.py MODEL INPUT OUTPUT [--embed STEP] [KEY=COLUMN...]

With --embed the run wrote the values of that step too: what is compared is a row of the scores beside one of the embedding,
of the graphs that have both, and a graph that lacks one is rejected.

Prints how many files, rows of scores and rows of each reason are the same, and which files both refuse.
"""

import collections
import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

import graphscore

model, root, output = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
step = sys.argv[5] if sys.argv[4:5] == ["--embed"] else None
columns = dict(pair.split("=", 1) for pair in sys.argv[6 if step else 4 :])
scorer = graphscore.load(model)
embedder = graphscore.load(model, embed=step) if step else None
same = {"files": 0, "scores": 0, "rejected": collections.Counter(), "refused": {}}


def read(path: Path) -> pa.Table:
    if path.suffix == ".parquet":
        return pq.read_table(path, partitioning=None)
    with pa.memory_map(str(path)) as file:
        if path.suffix == ".arrows":
            return pa.ipc.open_stream(file).read_all()
        return pa.ipc.open_file(file).read_all()


def as_written(scores: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return scores with integer ids as strings where the run has strings: another of its files has some."""
    for place, name in enumerate(scores.column_names):
        field = schema.field(name) if name in schema.names else None
        if field is not None and scores.field(name).type == pa.int64() and field.type == pa.string():
            scores = scores.set_column(place, field, scores[name].cast(pa.string()))
    return scores


def both(scored: graphscore.TableScores, embedded: graphscore.TableScores) -> graphscore.TableScores:
    """Return the rows of scores beside those of an embedding, and all that one of them rejects."""
    rejected = {row["row"]: row for row in embedded.rejected.to_pylist() + scored.rejected.to_pylist()}
    left, right = scored.scores, embedded.scores
    left, right = (a.filter(pa.compute.is_in(a["graph_id"], b["graph_id"])) for a, b in ((left, right), (right, left)))
    if left.select(right.column_names[:-1]) != right.select(right.column_names[:-1]):
        raise SystemExit("scores and embedding are of other rows")
    field = right.schema.field("embedding")
    rows = [rejected[row] for row in sorted(rejected)]
    return graphscore.TableScores(
        left.append_column(field, right["embedding"]), pa.Table.from_pylist(rows, scored.rejected.schema)
    )


for path in sorted(root.rglob("*.*")):
    name = path.relative_to(root).as_posix()
    part = output / (name if name.endswith(".parquet") else f"{name}.parquet")
    try:
        result = scorer.score(read(path), columns, name=name)
        if embedder:
            result = both(result, embedder.score(read(path), columns, name=name))
    except (graphscore.TableError, pa.ArrowException, OSError) as error:
        if part.exists():
            raise SystemExit(f"{name}: the run scored it, the library says {error}") from error
        same["refused"][name] = str(error)
        continue
    if not part.exists():
        raise SystemExit(f"{name}: the run refused it, the library scored it")
    written = pq.read_table(part, partitioning=None)
    scores = as_written(result.scores, written.schema)
    if embedder:
        width = embedder.score(read(path).slice(0, 0), columns).scores.schema.field("embedding").type.list_size
        place = written.schema.get_field_index("embedding")
        if written.schema.field(place).type != pa.list_(pa.field("element", pa.float32(), nullable=False), width):
            raise SystemExit(f"{name}: embedding is {written.schema.field(place).type}")
        written = written.set_column(place, scores.schema.field(place), written["embedding"].cast(scores.schema.field(place).type))
    if not scores.schema.equals(written.schema):
        raise SystemExit(f"{name}: columns\n{scores.schema}\ninstead of\n{written.schema}")
    for column in written.column_names:
        ours, theirs = (t[column].combine_chunks() for t in (scores, written))
        if column == "embedding":
            ours, theirs = (a.flatten() for a in (ours, theirs))
        if pa.types.is_floating(ours.type):
            ours, theirs = (a.to_numpy().tobytes() for a in (ours, theirs))
        if ours != theirs:
            raise SystemExit(f"{name}: {column} differs")
    quarantine = output / "_quarantine" / part.relative_to(output).with_name(f"{part.name}.jsonl")
    lines = [json.loads(line) for line in quarantine.open()] if quarantine.exists() else []
    wanted = [{"row": line["row"], "code": line["code"], "message": line["message"]} for line in lines]
    if result.rejected.to_pylist() != wanted:
        pairs = zip(result.rejected.to_pylist() + [None] * len(wanted), wanted, strict=False)
        raise SystemExit(f"{name}: rejected differ: {[(a, b) for a, b in pairs if a != b][:3]} {len(result.rejected)} {len(wanted)}")
    same["files"] += 1
    same["scores"] += len(written)
    same["rejected"].update(line["code"] for line in lines)

print(json.dumps(same))
