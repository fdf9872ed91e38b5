"""Files below bad/, with bad.json; and an encrypted one that is read."""

import base64
import datetime
import json
import struct

import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe

from makers.graphs import BAD, GOOD, HERE, LEAVES, table


def make_bad(rows):
    t, says = table(rows), {}

    def bad(name, words, data=None):
        says[name] = words
        if data is not None:
            (BAD / name).write_bytes(data)
        return str(BAD / name)

    def ipc_file(name, words, t, **kw):
        with ipc.new_file(bad(name, words), t.schema, options=ipc.IpcWriteOptions(**kw)) as w:
            w.write_table(t)

    pq.write_table(t.drop_columns(["node_feat"]), bad("no_features.parquet", ["node_feat or x", "edge_index", "columns:"]))
    pq.write_table(t.drop_columns(["edge_index"]), bad("no_edges.parquet", ["edge_index", "source and target", "node_feat"]))
    pq.write_table(t.set_column(0, "node_feat", pa.array(["a"] * len(rows))),
                   bad("features_string.parquet", ["node_feat", "string", "list<list<number>>"]))
    pq.write_table(t.set_column(1, "edge_index", pa.array([[[1.0], [1.0]]] * len(rows))),
                   bad("edges_float.parquet", ["edge_index", "list<list<double>>", "list<list<integer>>"]))
    pq.write_table(t.set_column(4, "graph_id", pa.array([1.5] * len(rows))), bad("id_double.parquet", ["graph_id", "double"]))
    pq.write_table(t.set_column(1, "edge_index", pa.array([[[1, 1], [0, 0]]] * len(rows), pa.list_(pa.list_(pa.decimal128(9, 2))))),
                   bad("edges_decimal.parquet", ["edge_index", "decimal"]))
    ipc_file("features_decimal.arrow", ["node_feat", "decimal"],
             t.set_column(0, "node_feat", pa.array([[[1]]] * len(rows), pa.list_(pa.list_(pa.decimal128(9, 2))))))
    times = pa.array([datetime.datetime(2025, 1, 1)] * len(rows), pa.timestamp("ns"))
    pq.write_table(t.set_column(4, "graph_id", times), bad("id_int96.parquet", ["graph_id", "INT96"]), use_deprecated_int96_timestamps=True)
    make_encrypted(rows, bad)
    good = (GOOD / "v1_zstd.parquet").read_bytes()
    raw = (GOOD / "lz4_raw_v1.parquet").read_bytes()
    foot = len(raw) - 8 - struct.unpack("<I", raw[-8:-4])[0]
    bad("lzo.parquet", ["node_feat", "LZO", "zstd"], raw[:foot] + raw[foot:].replace(b"\x15\x0e", b"\x15\x06"))
    bad("cut_half.parquet", ["footer is missing"], good[:len(good) // 2])
    bad("cut_end.parquet", ["footer is missing"], good[:-1])
    bad("zeros.parquet", ["neither Parquet nor Arrow"], bytes(2000))
    bad("empty.parquet", ["empty"], b"")
    bad("text.parquet", ["neither Parquet nor Arrow"], b"graph_id,x\n1,2\n")
    bad("magic.parquet", ["Parquet"], b"PAR1PAR1")
    bad("footer.parquet", ["footer"], good[:-8] + struct.pack("<I", 1 << 31) + b"PAR1")
    stream, file = (GOOD / "stream_zstd.arrows").read_bytes(), (GOOD / "file_zstd.arrow").read_bytes()
    bad("doubled.arrows", ["follow its end"], stream + stream)
    bad("cut.arrows", ["damaged"], stream[:len(stream) * 3 // 4])
    bad("cut.arrow", ["damaged"], file[:len(file) * 3 // 4])
    bad("feather1.feather", ["Feather version 1"], b"FEA1" + bytes(100) + b"FEA1")
    (HERE / "bad.json").write_text(json.dumps(says, indent=1, sort_keys=True) + "\n")


class Keys(pe.KmsClient):
    """Wraps keys by saying them: these files hide nothing."""

    def wrap_key(self, key_bytes, master_key_identifier):
        return base64.b64encode(key_bytes)

    def unwrap_key(self, wrapped_key, master_key_identifier):
        return base64.b64decode(wrapped_key)


def encrypted(path, t, column, plaintext_footer):
    """Encrypts one column and, where it is not plain, the footer."""
    factory = pe.CryptoFactory(lambda _: Keys())
    config = pe.EncryptionConfiguration(footer_key="foot", column_keys={"key": [column]}, plaintext_footer=plaintext_footer)
    properties = factory.file_encryption_properties(pe.KmsConnectionConfig(), config)
    with pq.ParquetWriter(path, t.schema, encryption_properties=properties, store_schema=False) as w:
        w.write_table(t)


def make_encrypted(rows, bad):
    t = table(rows, extra=True)
    encrypted(bad("encrypted_footer.parquet", ["encrypted", "decrypt it"]), t, "y", False)
    encrypted(bad("encrypted_features.parquet", ["node_feat", "encrypted", "decrypt it"]), t, LEAVES["node_feat"], True)
    encrypted(str(GOOD / "encrypted_other.parquet"), t, "y", True)
