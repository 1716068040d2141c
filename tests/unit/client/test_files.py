"""Readers of files: every good row, and every bad line with its number and reason."""

import json

import pyarrow as pa
import pytest
from headcount_client.cli.importing import csv_file
from headcount_client.cli.importing.chunks import FileFault
from headcount_client.cli.importing.csv_file import CsvSource
from headcount_client.cli.importing.json_file import JsonSource
from headcount_client.cli.importing.parquet_file import ParquetSource
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

UNCLOSED = "a quote is opened and never closed"


def read(source, rows=50_000, targets=None):
    """Rows as (line, values) and bad lines as (line, reason), of all chunks."""
    targets = targets or {name: name for name in source.columns}
    good, bad, ends = [], [], []
    for chunk in source.chunks(targets, rows):
        columns = {name: array.to_pylist() for name, array in chunk.columns.items()}
        for i, line in enumerate(chunk.lines.tolist()):
            good.append((line, {name: cells[i] for name, cells in columns.items()}))
        bad += [(one.line, one.reason) for one in chunk.rejected]
        ends.append(chunk.position)
        assert len(chunk.lines) <= rows
    assert ends == sorted(ends)
    assert not ends or ends[-1] <= source.total
    return good, bad


def csv_of(tmp_path, content, **options):
    path = tmp_path / "file.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return CsvSource(path, **options)


def test_lines_count_through_quoted_newlines(tmp_path):
    source = csv_of(tmp_path, 'key,a\n1,"x\ny"\n2,z\n3\n4,"p\n\nq"\n5,r\n')
    good, bad = read(source)
    assert good == [
        (2, {"key": "1", "a": "x\ny"}),
        (4, {"key": "2", "a": "z"}),
        (6, {"key": "4", "a": "p\n\nq"}),
        (9, {"key": "5", "a": "r"}),
    ]
    assert bad == [(5, "too few columns: 1, the header has 2")]


@pytest.mark.parametrize(
    ("content", "good", "bad"),
    [
        ("key,a\n", [], []),
        ("key,a", [], []),
        ("key,a\n1,x", [(2, "x")], []),
        ("\ufeffkey,a\r\n1,x\r\n2,y\r\n", [(2, "x"), (3, "y")], []),
        ("key,a\n\n1,x\n\n\n2,y\n\n", [(3, "x"), (6, "y")], []),
        ("key,a\n1,\n2,NA\n3,null\n4, \n", [(2, ""), (3, "NA"), (4, "null"), (5, " ")], []),
        ('key,a\n1,""\n2,"a,b"\n3,"say ""hi"""\n', [(2, ""), (3, "a,b"), (4, 'say "hi"')], []),
        ('key,a\n1,5" pipe\n2,y\n', [(2, '5" pipe'), (3, "y")], []),
        ("key,a\n1,x,y\n2,z\n", [(3, "z")], [(2, "too many columns: 3, the header has 2")]),
        ('key,a\n1,"x"y\n2,z\n', [(3, "z")], [(2, "bad quoting: ',' expected after '\"'")]),
        ('key,a\n1,"x\n2,y\n3,z\n', [(3, "y"), (4, "z")], [(2, UNCLOSED)]),
        (b"key,a\n1,\xff\n2,\xc3\xa4\n", [(3, "ä")], [(2, "a: no valid UTF-8")]),
        (b"key,a\n1,x\ry\n2,z\n", [(3, "z")],
         [(2, "a carriage return stands in the line outside of quotes")]),
        ("key,a\n1,\u2028\n2,\x0b\n", [(2, "\u2028"), (3, "\x0b")], []),
    ],
)  # fmt: skip
def test_tricky_csv(tmp_path, content, good, bad):
    found, rejected = read(csv_of(tmp_path, content))
    assert [(line, row["a"]) for line, row in found] == good
    assert rejected == bad


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "must be a header"),
        (b"\n1,2\n", "must be a header"),
        (b"key,,a\n", "column 2 of the header has no name"),
        (b"key,a,key\n", 'names column "key" twice'),
        (b"key,\xff\n", "no valid UTF-8"),
        (b'key,"a\n', "header line can't be read"),
    ],
)
def test_a_header_that_is_none(tmp_path, content, told):
    with pytest.raises(FileFault, match=told):
        csv_of(tmp_path, content)


def test_a_header_may_have_quoted_newlines(tmp_path):
    source = csv_of(tmp_path, '\ufeffkey,"a\nb"\r\n1,x\r\n')
    assert list(source.columns) == ["key", "a\nb"]
    assert read(source)[0] == [(3, {"key": "1", "a\nb": "x"})]


def test_another_delimiter(tmp_path):
    assert read(csv_of(tmp_path, 'key;a\n1;x,"y\n', delimiter=";"))[0] == [
        (2, {"key": "1", "a": 'x,"y'})
    ]


def test_one_column_and_columns_that_are_not_wanted(tmp_path):
    assert read(csv_of(tmp_path, 'key\n1\n\n"2"\n'))[0] == [(2, {"key": "1"}), (4, {"key": "2"})]
    source = csv_of(tmp_path, "key,a,b\n1,x,y\n")
    assert read(source, targets={"b": "tag"})[0] == [(2, {"tag": "y"})]


def quoted(cell, *, always):
    """A field by RFC 4180."""
    if always or any(character in cell for character in ',"\n\r'):
        return '"' + cell.replace('"', '""') + '"'
    return cell


CELLS = st.text(st.sampled_from('ab",\n\r é|;'), max_size=5)


@given(
    rows=st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=12),
    quotes_all=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
    block=st.sampled_from([1, 7, 20, 1 << 20]),
    size=st.sampled_from([1, 3, 100]),
)
def test_what_was_written_by_the_rfc_is_read_back(
    rows, quotes_all, end, block, size, tmp_path_factory
):
    """In blocks and chunks of every size, by all three ways of reading."""
    text, lines = f"key,a,b{end}", []
    for row in rows:
        lines.append(text.count("\n") + 1)
        text += ",".join(quoted(cell, always=quotes_all) for cell in row) + end
    path = tmp_path_factory.mktemp("csv") / "file.csv"
    path.write_bytes(text.encode())
    before, csv_file.BLOCK_BYTES = csv_file.BLOCK_BYTES, block
    try:
        good, bad = read(CsvSource(path), size)
    finally:
        csv_file.BLOCK_BYTES = before
    assert not bad
    assert [tuple(row.values()) for _, row in good] == rows
    assert [line for line, _ in good] == lines


@given(
    content=st.text(st.sampled_from('a,"\n'), max_size=40),
    blocks=st.sampled_from([(1, 1 << 20), (5, 1 << 20)]),
)
def test_any_content_is_read_the_same_in_small_and_large_blocks(content, blocks, tmp_path_factory):
    path = tmp_path_factory.mktemp("csv") / "file.csv"
    path.write_bytes(b"key,a\n" + content.encode())
    found = []
    before = csv_file.BLOCK_BYTES
    try:
        for block in blocks:
            csv_file.BLOCK_BYTES = block
            found.append(read(CsvSource(path)))
    finally:
        csv_file.BLOCK_BYTES = before
    assert found[0] == found[1]
    good, bad = found[0]
    assert len({line for line, _ in good} | {line for line, _ in bad}) == len(good) + len(bad)


def test_the_content_of_a_row_is_its_line(tmp_path):
    for text in ("key,a\n1,x\n2,y\n", 'key,a\n1,"x"\n2,y\n', 'key,a\n0\n1,"x\ny"\n2,y\n'):
        source = csv_of(tmp_path, text)
        (chunk,) = source.chunks({"key": "key", "a": "a"}, 10)
        assert chunk.content(1) == "2,y"


# --- JSON Lines ---------------------------------------------------------------------------------


def json_of(tmp_path, *lines, events=False, in_order=False):
    path = tmp_path / "file.jsonl"
    path.write_bytes(b"\n".join(x if isinstance(x, bytes) else x.encode() for x in lines))
    return JsonSource(
        path,
        lists=frozenset({"tags"}),
        places=frozenset({"home"}),
        absent_is_missing=events,
        in_order=in_order,
    )


def test_json_values_are_spelt_as_in_other_files(tmp_path):
    line = {"key": 1, "age": None, "vip": True, "tags": ["a|b", "c", ""], "home": [52.5, 13.40]}
    source = json_of(tmp_path, json.dumps(line), "", '{"key": "x", "spend": 1.10, "big": 1e3}')
    good, bad = read(source)
    assert not bad
    assert good == [
        (1, {"key": "1", "age": "", "vip": "true", "tags": ["a|b", "c"], "home": "52.5,13.4"}),
        (3, {"key": "x", "spend": "1.10", "big": "1000"}),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"key": 1', "no valid JSON at column 10"),
        ("[1]", "no JSON object but [1]"),
        ('{"key": {"a": 1}}', 'key: {"a": 1} can\'t be imported'),
        ('{"key": [1]}', "key: a list can't be imported here"),
        ('{"key": NaN}', "no valid JSON: NaN"),
        (b'{"key": "\xff"}', "no valid UTF-8 at byte 10"),
        ("[" * 100_000, "no valid row: nested too deep"),
    ],
)
def test_bad_json_lines(tmp_path, line, reason):
    good, bad = read(json_of(tmp_path, '{"key": "a"}', line, '{"key": "b"}'))
    assert [line for line, _ in good] == [1, 3]
    assert bad[0][0] == 2
    assert bad[0][1].startswith(reason)


def test_rows_that_name_different_things_leave_different_things(tmp_path):
    lines = ['{"key": "a", "x": 1}', '{"key": "b", "y": 1}', '{"key": "c", "x": 2}',
             '{"key": "a", "y": 3}']  # fmt: skip
    good, _ = read(json_of(tmp_path, *lines))
    assert [(line, sorted(row)) for line, row in good] == [
        (1, ["key", "x"]), (3, ["key", "x"]), (2, ["key", "y"]), (4, ["key", "y"])
    ]  # fmt: skip
    good, _ = read(json_of(tmp_path, *lines, in_order=True))
    assert [line for line, _ in good] == [1, 2, 3, 4]
    good, _ = read(json_of(tmp_path, *lines, events=True))
    assert good[0] == (1, {"key": "a", "x": "1", "y": ""})


@given(rows=st.lists(st.tuples(st.integers(0, 3), st.sets(st.sampled_from("xyz"))), max_size=12))
def test_rows_of_one_key_keep_their_order(rows, tmp_path_factory):
    lines = [json.dumps({"key": key, **dict.fromkeys(names, "v")}) for key, names in rows]
    good, _ = read(json_of(tmp_path_factory.mktemp("json"), *lines))
    assert sorted(line for line, _ in good) == list(range(1, len(rows) + 1))
    for key in range(4):
        order = [line for line, row in good if row["key"] == str(key)]
        assert order == sorted(order)


# --- Parquet --------------------------------------------------------------------------------------


def test_parquet_rows_are_counted_through_row_groups(tmp_path):
    path = tmp_path / "file.parquet"
    table = pa.table({"key": [f"k{i}" for i in range(10)], "a": list(range(10)), "b": [None] * 10})
    parquet.write_table(table, path, row_group_size=4)
    source = ParquetSource(path)
    good, bad = read(source, 3, {"key": "key", "a": "age"})
    assert not bad
    assert good == [(i + 1, {"key": f"k{i}", "age": i}) for i in range(10)]
    assert (source.total, list(source.columns)) == (10, ["key", "a", "b"])


def test_a_file_that_is_no_parquet(tmp_path):
    path = tmp_path / "file.parquet"
    path.write_bytes(b"key,a\n")
    with pytest.raises(FileFault, match="no Parquet file"):
        ParquetSource(path)
