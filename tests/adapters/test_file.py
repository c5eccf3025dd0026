"""The file adapter over real files: what it reads, what it calls broken, and when it refuses the whole."""

import asyncio
import csv
import io
import os
import re
import threading
import time
import tracemalloc
import zipfile
from datetime import date, datetime
from decimal import Decimal

import msgspec
import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.file import FileAdapter
from syncd.adapter import MISSING, Percent, SourceContext
from syncd.errors import ConfigError, SourceIncomplete, SourceUnavailable

AT = datetime(2026, 3, 1, 9)  # noqa: DTZ001 - a sheet knows no time zones


def adapter(folder, path, **settings):
    values = msgspec.convert({"path": path, **settings}, FileAdapter.Settings)
    return FileAdapter.create(values, SourceContext(name="test", folder=folder))


def pull(folder, path, **settings):
    async def gather():
        source = adapter(folder, path, **settings)
        try:
            return [page async for page in source.pull()]
        finally:
            await source.close()

    return asyncio.run(gather())


def pull_bytes(folder, content, name="deals.csv", **settings):
    (folder / name).write_bytes(content)
    return pull(folder, name, **settings)


def rows(pages):
    return [list(row) for page in pages for row in page.rows]


def records(pages):
    return [
        {name: value for name, value in zip(page.columns, row, strict=True) if value is not MISSING}
        for page in pages
        for row in page.rows
    ]


def broken(pages):
    return [(each.place, each.id) for page in pages for each in page.broken]


def reasons(pages):
    return " / ".join(each.reason for page in pages for each in page.broken)


def places(pages):
    return [place for page in pages for place in page.places or range(page.first, page.first + len(page.rows))]


def notes(pages):
    return [note for page in pages for note in page.notes]


class TestDelimited:
    @pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
    def test_reads_every_kind_of_line_ending(self, tmp_path, ending):
        """LF, CRLF and CR all end a line."""
        pages = pull_bytes(tmp_path, ending.join(["id,name", "1,a", "2,b", ""]).encode())

        assert rows(pages) == [["1", "a"], ["2", "b"]]
        assert places(pages) == [2, 3]

    def test_reads_line_endings_mixed_in_one_file(self, tmp_path):
        """Each line may end in its own way, and the last one in none."""
        pages = pull_bytes(tmp_path, b"id,name\r\n1,a\n2,b\r3,c")

        assert rows(pages) == [["1", "a"], ["2", "b"], ["3", "c"]]
        assert places(pages) == [2, 3, 4]

    def test_a_line_ending_may_straddle_two_blocks(self, tmp_path):
        """CRLF stays one line ending wherever the file is cut into blocks, so no line is counted twice."""
        lines = ["id,name", *(f"{number}," + "x" * (number % 90) for number in range(4000))]
        pages = pull_bytes(tmp_path, "\r\n".join([*lines, ""]).encode())

        assert len(rows(pages)) == 4000
        assert list(range(2, 4002)) == places(pages)

    @pytest.mark.parametrize("sign", ["\v", "\f", "\x1c", "\x1e", "\x85", "\u2028", "\u2029"])
    def test_other_separators_do_not_end_a_line(self, tmp_path, sign):
        """What Unicode calls a line separator is part of a cell."""
        pages = pull_bytes(tmp_path, f"id,name\n1,a{sign}b\n".encode())

        assert [["1", f"a{sign}b"]] == rows(pages)

    def test_quoted_line_breaks_keep_the_places_right(self, tmp_path):
        """A record is found where it starts, however many lines the records before it stand on."""
        pages = pull_bytes(tmp_path, b'id,name\n1,"a\nb"\n2,c\n3,"d\r\ne\rf"\n\n4,g\n')

        assert rows(pages) == [["1", "a\nb"], ["2", "c"], ["3", "d\r\ne\rf"], ["4", "g"]]
        assert places(pages) == [2, 4, 5, 9]

    def test_places_are_left_out_where_rows_follow_line_by_line(self, tmp_path):
        """The common case carries only the first line of each page."""
        pages = pull_bytes(tmp_path, b"id\n" + b"".join(b"%d\n" % number for number in range(1200)))

        assert [page.first for page in pages] == [2, 502, 1002]
        assert not any(page.places for page in pages)

    @pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
    def test_finds_the_delimiter(self, tmp_path, delimiter):
        """The header and the rows that agree with it tell the delimiter."""
        lines = [["id", "name"], ["1", "a"], ["2", "b"]]
        pages = pull_bytes(tmp_path, "\n".join(delimiter.join(line) for line in lines).encode())

        assert pages[0].columns == ("id", "name")
        assert rows(pages) == [["1", "a"], ["2", "b"]]

    def test_other_signs_in_the_header_do_not_mislead(self, tmp_path):
        """Commas in header names, quoted or not, and decimal commas do not hide a semicolon."""
        pages = pull_bytes(tmp_path, b'id;"amount, net";close, planned\n1;"1,5";x\n2;2,5;y\n')

        assert pages[0].columns == ("id", "amount, net", "close, planned")
        assert rows(pages) == [["1", "1,5", "x"], ["2", "2,5", "y"]]

    def test_a_dirty_row_does_not_mislead(self, tmp_path):
        """The delimiter is found although the only row does not agree with the header."""
        pages = pull_bytes(tmp_path, b"id;name;stage\n1;a\n")

        assert broken(pages) == [("line 2", "1")]

    def test_obeys_the_line_excel_writes_about_the_delimiter(self, tmp_path):
        """`sep=|` is an instruction, not a header, and still counts as a line."""
        pages = pull_bytes(tmp_path, b"sep=|\nid|a,b,c\n1|x\n")

        assert pages[0].columns == ("id", "a,b,c")
        assert places(pages) == [3]

    def test_a_delimiter_that_is_set_is_used(self, tmp_path):
        """A setting outranks what looks likely."""
        pages = pull_bytes(tmp_path, b"id,x~name\n1,y~a\n", delimiter="~")

        assert records(pages) == [{"id,x": "1,y", "name": "a"}]

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
    def test_finds_the_encoding(self, tmp_path, encoding):
        """UTF-8, UTF-16 and UTF-32 are told by their marks, and UTF-16 by its pattern where it has none."""
        text = "id,name\n1,Ünïcödé\n2,日本 \U0001f600\n"
        pages = pull_bytes(tmp_path, text.encode(encoding))

        assert records(pages) == [{"id": "1", "name": "Ünïcödé"}, {"id": "2", "name": "日本 \U0001f600"}]

    def test_characters_may_straddle_two_blocks(self, tmp_path):
        """Characters of several bytes are whole wherever the file is cut into blocks."""
        names = ["x" * (number % 7) + "日本\U0001f600" * 9 for number in range(3000)]
        for encoding in ("utf-8", "utf-16"):
            text = "id,name\n" + "".join(f"{number},{name}\n" for number, name in enumerate(names))

            assert names == [row[1] for row in rows(pull_bytes(tmp_path, text.encode(encoding)))]

    def test_an_encoding_that_is_set_is_used(self, tmp_path):
        """A Windows file is read with its encoding given."""
        pages = pull_bytes(tmp_path, "id,name\n1,Müller\n".encode("cp1252"), encoding="cp1252")

        assert records(pages) == [{"id": "1", "name": "Müller"}]

    def test_bytes_that_do_not_decode_break_their_row_alone(self, tmp_path):
        """A Windows file read as UTF-8 loses the rows with umlauts, and one note says how to cure it."""
        pages = pull_bytes(tmp_path, "id,name\n1,ok\n2,Müller\n3,fine\n4,Jürgen\n".encode("cp1252"))

        assert [row[0] for row in rows(pages)] == ["1", "3"]
        assert broken(pages) == [("line 3", "2"), ("line 5", "4")]
        assert "not valid" in reasons(pages)
        assert len(notes(pages)) == 1
        assert 'encoding = "cp1252"' in notes(pages)[0]

    def test_a_surrogate_that_does_not_decode_breaks_its_row_alone(self, tmp_path):
        """In UTF-16 half a character is as broken as a wrong byte is in UTF-8."""
        content = "id,name\n1,a\n2,?\n3,c\n".encode("utf-16-le").replace(b"?\0", b"\x00\xd8")
        pages = pull_bytes(tmp_path, b"\xff\xfe" + content)

        assert [row[0] for row in rows(pages)] == ["1", "3"]
        assert broken(pages) == [("line 3", "2")]

    @pytest.mark.parametrize(
        ("row", "reason"),
        [
            (b"2,x", "2 cells"),
            (b"2,x,y,z", "4 cells"),
            (b"2,x\0,y", "NUL"),
            (b"2,x\xff,y", "not valid"),
            (b"2," + b"x" * 101 + b",y", "more than 100 characters"),
            (b'2,"' + b"x\n" * 60 + b'",y', "more than 100 characters"),
        ],
    )
    def test_a_broken_row_does_not_stop_the_rest(self, tmp_path, row, reason):
        """Its line, id and reason are told, and every other row is read."""
        pages = pull_bytes(tmp_path, b"id,name,stage\n1,a,b\n" + row + b"\n3,c,d\n", max_cell=100)

        assert rows(pages) == [["1", "a", "b"], ["3", "c", "d"]]
        assert broken(pages) == [("line 3", "2")]
        assert reason in reasons(pages)

    def test_a_broken_row_gives_no_id_that_may_be_another_cell(self, tmp_path):
        """Where cells are missing, only an id in the first column is certain."""
        pages = pull_bytes(tmp_path, b"name,id\na\nb,2\n")

        assert broken(pages) == [("line 2", "")]

    def test_a_quote_never_closed_cannot_swallow_records_unseen(self, tmp_path):
        """A stray quote joins lines until the next one; even if the cells then add up, the lines are broken."""
        pages = pull_bytes(tmp_path, b'id,name\n0,z\n1,"a\n2,b\n3,"c\n4,d\n5,e\n')

        assert broken(pages) == [("line 3", "")]
        assert "lines 3 to 5" in reasons(pages)
        assert rows(pages) == [["0", "z"], ["4", "d"], ["5", "e"]]
        assert places(pages) == [2, 6, 7]

    def test_a_quoted_cell_over_several_lines_in_a_broken_row_is_named(self, tmp_path):
        """Where cells are missing after a quoted cell, the reason says where the cell ends."""
        pages = pull_bytes(tmp_path, b'id,name,stage\n1,"a\n2,b"\n3,c,d\n')

        assert broken(pages) == [("line 2", "1")]
        assert "runs to line 3" in reasons(pages)
        assert rows(pages) == [["3", "c", "d"]]

    def test_quotes_inside_a_quoted_cell_must_be_doubled(self, tmp_path):
        """What cannot be told apart for certain is broken; quotes inside an unquoted cell are plain text."""
        pages = pull_bytes(tmp_path, b'id,name\n1,"say "hi" now"\n2,5" pipe\n3,"say ""hi"""\n')

        assert broken(pages) == [("line 2", "")]
        assert rows(pages) == [["2", '5" pipe'], ["3", 'say "hi"']]

    def test_a_header_with_a_torn_quote_is_for_a_person_to_mend(self, tmp_path):
        """No column can be told from it."""
        with pytest.raises(ConfigError, match="closing quote"):
            pull_bytes(tmp_path, b'id,"na"me\n1,a\n')

    @pytest.mark.parametrize(
        ("tail", "line"),
        [
            (b'2,"open', 3),
            (b'2,"open\n', 3),
            (b'"', 3),
            (b'2,b\n"', 4),
            (b'2,"closed"" but not', 3),
            (b'2,"a\nb"\n\n3,"c\nd', 6),
        ],
    )
    def test_a_quote_open_at_the_end_means_the_file_was_cut(self, tmp_path, tail, line):
        """No subset is judged when the file ends inside a quoted cell; the line it starts on is told."""
        with pytest.raises(SourceIncomplete, match=f"was cut.*on line {line} is still open"):
            pull_bytes(tmp_path, b"id,name\n1,a\n" + tail)

    def test_a_header_whose_quote_is_open_means_the_file_was_cut(self, tmp_path):
        """A header that swallows the whole file is not a header."""
        with pytest.raises(SourceIncomplete, match="was cut"):
            pull_bytes(tmp_path, b'id,"name\n1,a\n2,b\n')

    def test_a_quote_open_to_the_end_of_a_large_file_does_not_fill_the_memory(self, tmp_path):
        """A cell that swallows more than any cell could hold ends the pull, naming the line it starts on."""
        path = tmp_path / "deals.csv"
        with path.open("wb") as file:
            file.write(b'id,name\n1,a\n2,"b\n')
            for _ in range(18):
                file.write((b"x" * 1023 + b"\n") * 1024)

        with pytest.raises(SourceIncomplete, match="on line 3 is longer than"):
            pull(tmp_path, "deals.csv")

    def test_the_limit_of_the_csv_module_is_left_as_it_was(self, tmp_path):
        """Other users of the csv module keep their own limit, even while a pull is under way."""
        before = csv.field_size_limit()
        pull_bytes(tmp_path, b"id,name\n1," + b"x" * 200_000 + b"\n")

        assert before == csv.field_size_limit()

    def test_a_short_last_row_without_line_end_may_have_been_cut(self, tmp_path):
        """It is one broken row, and the reason says what may lie behind it."""
        pages = pull_bytes(tmp_path, b"id,name\n1,a\n2")

        assert broken(pages) == [("line 3", "2")]
        assert "may have been cut" in reasons(pages)

    def test_a_file_that_ends_in_mid_character_was_cut(self, tmp_path):
        """Half a character at the end is a sign of half a file."""
        with pytest.raises(SourceIncomplete, match="middle of a character"):
            pull_bytes(tmp_path, "id,name\n1,日本".encode()[:-1])

    def test_a_cell_of_ten_megabytes_breaks_its_row_alone(self, tmp_path):
        """One absurd cell is refused, and the rest of the file is read."""
        pages = pull_bytes(tmp_path, b"id,name\n1,a\n2," + b"x" * 10_000_000 + b"\n3,c\n")

        assert rows(pages) == [["1", "a"], ["3", "c"]]
        assert broken(pages) == [("line 3", "2")]

    @pytest.mark.parametrize(
        "filling",
        [b"x", b'He said ""no"", twice, and there was nothing to be done about it. ', "日本".encode()],
        ids=["x", "prose", "wide"],
    )
    @pytest.mark.parametrize("megabytes", [15, 17, 20, 60])
    def test_a_line_too_long_to_be_held_breaks_its_row_alone(self, tmp_path, filling, megabytes):
        """The line is not kept in memory, only what is needed to find its end, and its id."""
        cell = filling * ((megabytes << 20) // len(filling))
        path = tmp_path / "deals.csv"
        path.write_bytes(b'id,name,x\n1,a,\n2,"' + cell + b'",c\n3,"c\nd",\n')
        pages = pull(tmp_path, "deals.csv")

        assert rows(pages) == [["1", "a", ""], ["3", "c\nd", ""]]
        assert broken(pages) == [("line 3", "2")]
        assert places(pages) == [2, 4]

    def test_a_line_without_end_is_read_in_flat_memory(self, tmp_path):
        """However long it is: what cannot be told apart is dropped while it is read."""
        path = tmp_path / "deals.csv"
        with path.open("wb") as file:
            file.write(b"name,id\n")
            for _ in range(100):
                file.write(b"x" * (1 << 20))
            file.write(b",2\na,3\n")
        tracemalloc.start()
        pages = pull(tmp_path, "deals.csv")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

        assert rows(pages) == [["a", "3"]]
        assert broken(pages) == [("line 2", "")]
        assert "longer than 16,777,216 characters" in reasons(pages)
        assert peak < 100 << 20

    def test_a_line_of_nothing_but_signs_is_given_up(self, tmp_path):
        """Where nothing can be dropped memory has an end, and the source is incomplete."""
        with pytest.raises(SourceIncomplete, match=r"line 2 of deals\.csv is far longer than"):
            pull_bytes(tmp_path, b"id,name\n1," + b'"' * (18 << 20) + b"\n")

    def test_a_header_too_long_to_be_held_is_refused(self, tmp_path):
        """Of its names only a part would be left."""
        with pytest.raises(ConfigError, match="header cannot be used: its line is longer"):
            pull_bytes(tmp_path, b"id," + b"x" * (18 << 20) + b"\n1,a\n")

    def test_a_cell_at_the_limit_is_whole(self, tmp_path):
        """The limit itself is allowed; one character more is not."""
        pages = pull_bytes(tmp_path, b"id,name\n1,%b\n2,%b\n" % (b"x" * (1 << 20), b"x" * ((1 << 20) + 1)))

        assert [row[0] for row in rows(pages)] == ["1"]
        assert broken(pages) == [("line 3", "2")]

    def test_blank_lines_are_skipped(self, tmp_path):
        """Empty lines, and lines of spaces, are no records; a row of empty cells is one."""
        pages = pull_bytes(tmp_path, b"\n\nid,name\n\n1,a\n   \n,\n\n")

        assert rows(pages) == [["1", "a"], ["", ""]]
        assert places(pages) == [5, 7]

    def test_a_header_without_rows_is_a_source_without_records(self, tmp_path):
        """Its columns are still told, so that a missing one is noticed."""
        pages = pull_bytes(tmp_path, b"id,name\n")

        assert [page.columns for page in pages] == [("id", "name")]
        assert rows(pages) == []

    @pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b"\n\r\n \n"])
    def test_a_file_without_a_header_is_incomplete(self, tmp_path, content):
        """No bytes, a lone mark or blank lines are not an empty pipeline but a failed export."""
        with pytest.raises(SourceIncomplete):
            pull_bytes(tmp_path, content)

    def test_an_absurd_number_of_columns_is_refused(self, tmp_path):
        """One problem is told, not a million."""
        with pytest.raises(ConfigError, match="check the delimiter"):
            pull_bytes(tmp_path, b"a," * 1_000_000 + b"\n")

    @pytest.mark.parametrize("number", [499, 500, 501, 1000])
    def test_every_row_comes_once_whatever_the_number(self, tmp_path, number):
        """The last page may be full, and none but the first is without rows."""
        pages = pull_bytes(tmp_path, b"id\n" + b"".join(b"%d\n" % each for each in range(number)))

        assert [row[0] for row in rows(pages)] == [str(each) for each in range(number)]
        assert all(page.rows for page in pages)

    @settings(
        derandomize=True, max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(
        table=st.lists(
            st.lists(
                st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=8), min_size=3, max_size=3
            ),
            max_size=6,
        ),
        delimiter=st.sampled_from(",;\t|"),
        ending=st.sampled_from(["\n", "\r\n", "\r"]),
        encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    )
    def test_what_the_csv_module_writes_is_read_back(self, tmp_path, table, delimiter, ending, encoding):
        """Any text in any cell survives, and each record is found on the line it starts on."""
        text = io.StringIO()
        writer = csv.writer(text, delimiter=delimiter, lineterminator=ending, quoting=csv.QUOTE_ALL)
        writer.writerow(["id", "name", "stage"])
        starts = []
        for row in table:
            starts.append(1 + len(re.findall("\r\n|\r|\n", text.getvalue())))
            writer.writerow(row)
        pages = pull_bytes(tmp_path, text.getvalue().encode(encoding), delimiter=delimiter)

        assert rows(pages) == table
        assert places(pages) == starts

    @pytest.mark.parametrize("header", [b"id,name,name", b"id, name,name ", b"id,,name", b"id,name,"])
    def test_columns_that_cannot_be_told_apart_are_refused(self, tmp_path, header):
        """A column twice, or without a name, is for a person to mend; the file and line are told."""
        with pytest.raises(ConfigError) as caught:
            pull_bytes(tmp_path, b"\n" + header + b"\n1,2,3\n")

        assert (caught.value.problems[0].file, caught.value.problems[0].line) == ("deals.csv", 2)

    def test_hands_on_cells_untrimmed_and_quotes_undone(self, tmp_path):
        """Cells are what the csv module reads; only header names are trimmed."""
        pages = pull_bytes(tmp_path, b' id , "name"\n 1 ,"say ""hi"""\n')

        assert pages[0].columns == ("id", '"name"')
        assert rows(pages) == [[" 1 ", 'say "hi"']]

    @pytest.mark.parametrize(
        "signature", [b"\x89PNG\r\n\x1a\n", b"PK\x03\x04", b"\x1f\x8b\x08", bytes(range(1, 30)) * 9]
    )
    def test_a_file_that_is_not_text_is_refused(self, tmp_path, signature):
        """Pictures, archives and the like are not read as broken rows."""
        with pytest.raises(SourceUnavailable, match="does not look like text"):
            pull_bytes(tmp_path, signature + b"\0\1\2\3" * 500)

    def test_a_hundred_thousand_rows_take_little_time(self, tmp_path):
        """Reading stays near the speed of the csv module."""
        self.write_rows(tmp_path, 100_000)
        started = time.process_time()

        assert self.count_rows(tmp_path) == 100_000
        assert time.process_time() - started < 2

    def test_memory_does_not_grow_with_the_file(self, tmp_path):
        """Four times the rows take no more memory, and far less than the file."""
        peaks = []
        for number in (16_000, 64_000):
            self.write_rows(tmp_path, number)
            tracemalloc.start()
            try:
                assert self.count_rows(tmp_path) == number
                peaks.append(tracemalloc.get_traced_memory()[1])
            finally:
                tracemalloc.stop()

        assert peaks[1] < 1.05 * peaks[0]
        assert peaks[1] < (tmp_path / "deals.csv").stat().st_size / 2

    def write_rows(self, folder, number):
        line = ",".join(["qualify"] * 8)
        with (folder / "deals.csv").open("w", encoding="utf-8") as file:
            file.write(",".join(["id", *(f"c{column}" for column in range(8))]) + "\n")
            file.writelines(f"1-{each},{line}\n" for each in range(number))

    def count_rows(self, folder):
        async def count():
            total = 0
            async for page in adapter(folder, "deals.csv").pull():
                total += len(page.rows)
            return total

        return asyncio.run(count())


class TestJsonLines:
    def test_reads_types_exactly(self, tmp_path):
        """Numbers with a fraction are exact decimals, and null differs from an absent key."""
        content = b'{"id":"1","amount":1234567890123456.78,"n":40,"won":true,"x":null}\n{"id":"2"}\n'
        pages = pull_bytes(tmp_path, content, "deals.jsonl")

        assert pages[0].columns == ("id", "amount", "n", "won", "x")
        assert [
            ["1", Decimal("1234567890123456.78"), 40, True, None],
            ["2", MISSING, MISSING, MISSING, MISSING],
        ] == rows(pages)
        assert not pages[0].declared

    def test_columns_grow_with_new_keys_and_stay_the_same_object_otherwise(self, tmp_path):
        """Pages share their columns until a record brings a key not seen before."""
        lines = [b'{"id":%d}\n' % number for number in range(1200)]
        lines[1100] = b'{"name":"a","id":1100}\n'
        pages = pull_bytes(tmp_path, b"".join(lines), "deals.jsonl")

        assert [page.columns for page in pages] == [("id",), ("id",), ("id", "name")]
        assert pages[0].columns is pages[1].columns
        assert {"id": 1100, "name": "a"} in records(pages)
        assert list(range(1, 1201)) == places(pages)

    def test_objects_become_dotted_columns(self, tmp_path):
        """Members of objects are reached by dots, lists stay lists, and a null object has blank members."""
        content = (
            b'{"id":1,"account":{"name":"A","geo":{"zone":"N"}},"actions":[{"type":"x"}]}\n'
            b'{"id":2,"account":null}\n{"id":3}\n'
        )
        pages = pull_bytes(tmp_path, content, "deals.ndjson")

        assert pages[0].columns == ("id", "account.name", "account.geo.zone", "actions", "account")
        assert rows(pages) == [
            [1, "A", "N", [{"type": "x"}], MISSING],
            [2, None, None, MISSING, None],
            [3, MISSING, MISSING, MISSING, MISSING],
        ]

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            (b"{nonsense", "not valid JSON"),
            (b'{"id":NaN', "not valid JSON"),
            (b'{"id":NaN} {}', "not valid JSON"),
            (b"[1]", "not a JSON object"),
            (b"17", "not a JSON object"),
            (b"{}", "without fields"),
            (b'{"id":"2","a":"\xff"}', "not valid"),
            (b'{"id":"2","a":"\\u0000"}', "NUL"),
            (b'{"id":"2","a":"\\ud800"}', "not valid UTF-8"),
            (b'{"id":"2","a":"' + b"x" * 101 + b'"}', "more than 100 characters"),
            (b'{"id":"2","a":[{"b":"' + b"x" * 101 + b'"}]}', "more than 100 characters"),
            (b'{"id":"2","a":{"b":1},"a.b":2}', "same name"),
            (b'{"a":' * 40 + b"1" + b"}" * 40, "nested"),
            (b'{"a":' * 5000 + b"1" + b"}" * 5000, "not valid JSON"),
            (b'{"a":1' + b"0" * 5000 + b"}", "more than 100 characters"),
        ],
    )
    def test_a_broken_line_does_not_stop_the_rest(self, tmp_path, line, reason):
        """Its place and reason are told, and every other line is read."""
        pages = pull_bytes(tmp_path, b'{"id":"1"}\n' + line + b'\n\n{"id":"3"}\n', "deals.jsonl", max_cell=100)

        assert records(pages) == [{"id": "1"}, {"id": "3"}]
        assert [place for place, _ in broken(pages)] == ["line 2"]
        assert places(pages) == [1, 4]
        assert reason in reasons(pages)

    def test_a_last_line_cut_in_the_middle_makes_the_source_incomplete(self, tmp_path):
        """Half a line without an end is half a file; with an end it is a broken line."""
        with pytest.raises(SourceIncomplete, match="was cut"):
            pull_bytes(tmp_path, b'{"id":"1"}\n{"id":"2', "deals.jsonl")

        assert [place for place, _ in broken(pull_bytes(tmp_path, b'{"id":"1"}\n{"id":"2\n', "a.jsonl"))] == ["line 2"]

    def test_a_whole_last_line_needs_no_line_end(self, tmp_path):
        """Not every program ends its last line."""
        assert records(pull_bytes(tmp_path, b'{"id":"1"}', "deals.jsonl")) == [{"id": "1"}]

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
    def test_reads_other_encodings(self, tmp_path, encoding):
        """Marks are understood as in delimited files."""
        content = '{"id":"1","name":"日本"}\n'.encode(encoding)

        assert records(pull_bytes(tmp_path, content, "deals.jsonl")) == [{"id": "1", "name": "日本"}]

    def test_ids_in_the_place_of_field_names_do_not_fill_the_memory(self, tmp_path):
        """A file whose every record has other fields is refused before its columns grow without end."""
        content = b"".join(b'{"id":1,"k%d":1}\n' % number for number in range(17_000))

        with pytest.raises(SourceIncomplete, match="different fields"):
            pull_bytes(tmp_path, content, "deals.jsonl")

    @pytest.mark.parametrize(
        ("number", "shown"),
        [(b"1" + b"0" * 5000, "1" + "0" * 5000), (b"1e" + b"9" * 30, "1e" + "9" * 30), (b"NaN", "NaN")],
    )
    def test_a_number_beyond_all_bounds_stays_text(self, tmp_path, number, shown):
        """As in a document: it costs its own field and not the record, and other numbers beside it stay numbers."""
        pages = pull_bytes(tmp_path, b'{"id":1,"n":' + number + b',"m":1.5}\n{"id":2}\n', "deals.jsonl")

        assert rows(pages) == [[1, shown, Decimal("1.5")], [2, MISSING, MISSING]]

    def test_a_line_too_long_to_be_held_is_refused_alone(self, tmp_path):
        """It is broken wherever it ends; without an end it may have been cut."""
        long = b'{"id":"2","a":"' + b"x" * (18 << 20) + b'"}'
        pages = pull_bytes(tmp_path, b'{"id":"1"}\n' + long + b'\n{"id":"3"}\n', "deals.jsonl")

        assert records(pages) == [{"id": "1"}, {"id": "3"}]
        assert broken(pages) == [("line 2", "")]
        with pytest.raises(SourceIncomplete, match="was cut"):
            pull_bytes(tmp_path, b'{"id":"1"}\n' + long, "deals.jsonl")


class TestJson:
    @pytest.mark.parametrize(
        ("content", "settings"),
        [
            (b'[{"id":1},{"id":2}]', {}),
            (b'{"count":2,"meta":{"tags":["x"]},"value":[{"id":1},{"id":2}],"next":null}', {}),
            (b'{"errors":[],"value":[{"id":1},{"id":2}]}', {}),
            (b'{"errors":[{"x":1}],"value":[{"id":1},{"id":2}]}', {"records": "value"}),
            (b'{"data":{"other":{"items":[9]},"items":[{"id":1},{"id":2}],"z":[1]}}', {"records": "data.items"}),
            (b'{"odata.value":[{"id":1},{"id":2}]}', {"records": "odata.value"}),
            (b'\xef\xbb\xbf [ {"id":1} , {"id":2} ] \n', {}),
            ('[{"id":1},{"id":2}]'.encode("utf-16"), {}),
        ],
    )
    def test_finds_the_records(self, tmp_path, content, settings):
        """At the top, in the only array of the top object, or where `records` says."""
        assert records(pull_bytes(tmp_path, content, "deals.json", **settings)) == [{"id": 1}, {"id": 2}]

    def test_reads_types_exactly(self, tmp_path):
        """Numbers with a fraction are exact decimals, large numbers whole, objects dotted and lists kept."""
        content = b'[{"id":12345678901234567890,"amount":0.10,"a":{"b":{"c":null}},"l":[{"d":[1,{}]}],"t":true}]'
        pages = pull_bytes(tmp_path, content, "deals.json")

        assert pages[0].columns == ("id", "amount", "a.b.c", "l", "t")
        assert [[12345678901234567890, Decimal("0.10"), None, [{"d": [1, {}]}], True]] == rows(pages)

    @pytest.mark.parametrize("content", [b"[]", b'{"value":[]}', b'{"value":[],"errors":[]}'])
    def test_an_empty_array_is_a_source_without_records(self, tmp_path, content):
        """No records is an answer; an absent array is not."""
        assert rows(pull_bytes(tmp_path, content, "deals.json")) == []

    @pytest.mark.parametrize(
        "content",
        [
            b'[{"id":1},',
            b'[{"id":1}',
            b'[{"id":1',
            b"[",
            b" ",
            b'{"value":[{"id":1}]',
            b'[{"id":1}] x',
            b'[{"id":1},{"id":}]',
            b'[{"id":1},]',
            b'[{"id":1} {"id":2}]',
            b'{"value" [{"id":1}]}',
            b'{1:2,"value":[{"id":1}]}',
            b"[{'id':1}]",
            b'[{"id":1},' + b"[" * 100_000 + b"]" * 100_001,
        ],
    )
    def test_a_document_that_is_not_whole_is_incomplete(self, tmp_path, content):
        """A document that ends early, or stops being JSON, is read not at all."""
        with pytest.raises(SourceIncomplete):
            pull_bytes(tmp_path, content, "deals.json")

    @pytest.mark.parametrize(
        ("content", "settings"),
        [
            (b'{"a":[{"id":1}],"b":[{"id":2}]}', {}),
            (b'{"a":[{"id":1}]}', {"records": "b"}),
            (b'{"a":{"id":1}}', {"records": "a"}),
            (b'[{"id":1}]', {"records": "a"}),
        ],
    )
    def test_an_array_that_is_not_named_rightly_is_for_a_person_to_mend(self, tmp_path, content, settings):
        """Never the wrong array, nor silently none."""
        with pytest.raises(ConfigError, match="records"):
            pull_bytes(tmp_path, content, "deals.json", **settings)

    @pytest.mark.parametrize("content", [b'{"error":"Unauthorized"}', b'"text"', b"17"])
    def test_a_document_without_records_is_unavailable(self, tmp_path, content):
        """An error saved in the place of an export is not an empty pipeline."""
        with pytest.raises(SourceUnavailable):
            pull_bytes(tmp_path, content, "deals.json")

    @pytest.mark.parametrize(
        ("element", "reason"),
        [
            (b"17", "not a JSON object"),
            (b"[]", "not a JSON object"),
            (b"null", "not a JSON object"),
            (b'{"id":"2","a":"\xff"}', "not valid"),
            (b'{"id":"2","a":"\\u0000"}', "NUL"),
            (b'{"id":"2","a":"' + b"x" * 101 + b'"}', "more than 100 characters"),
            (b'{"a":' * 40 + b"1" + b"}" * 40, "nested"),
        ],
    )
    def test_a_broken_record_does_not_stop_the_rest(self, tmp_path, element, reason):
        """Its number, id and reason are told, and every other record is read."""
        pages = pull_bytes(tmp_path, b'[{"id":"1"},' + element + b',{"id":"3"}]', "deals.json", max_cell=100)

        assert records(pages) == [{"id": "1"}, {"id": "3"}]
        assert [place for place, _ in broken(pages)] == ["record 2"]
        assert places(pages) == [1, 3]
        assert reason in reasons(pages)

    @pytest.mark.parametrize(
        ("number", "shown"),
        [(b"1" + b"0" * 5000, "1" + "0" * 5000), (b"1e" + b"9" * 30, "1e" + "9" * 30), (b"NaN", "NaN")],
    )
    def test_a_number_beyond_all_bounds_stays_text(self, tmp_path, number, shown):
        """It costs its own field and not the source, and other numbers beside it stay numbers."""
        pages = pull_bytes(tmp_path, b'[{"id":1,"n":' + number + b',"m":1.5},{"id":2}]', "deals.json")

        assert rows(pages) == [[1, shown, Decimal("1.5")], [2, MISSING, MISSING]]

    def test_records_may_straddle_blocks_anywhere(self, tmp_path):
        """Records of every size, numbers at the end of a block among them, are read whole."""
        names = ["x" * (number * 37 % 3000) for number in range(600)]
        elements = [f'{{"name":"{name}","id":{10**12 + number}}}' for number, name in enumerate(names)]
        pages = pull_bytes(tmp_path, ("[" + " ,\n ".join(elements) + "]").encode(), "deals.json")

        assert [row[0] for row in rows(pages)] == names
        assert [row[1] for row in rows(pages)] == [10**12 + number for number in range(600)]

    def test_a_number_may_straddle_two_blocks(self, tmp_path):
        """A number is not taken for whole just because a block of the file ends in it."""
        for pad in range(65_536 - 24, 65_536 - 12):
            content = b'{"p":"' + b"x" * pad + b'","count":123456789,"value":[{"id":1}]}'

            assert records(pull_bytes(tmp_path, content, "deals.json")) == [{"id": 1}]

    def test_a_large_member_beside_the_records_does_not_fill_the_memory(self, tmp_path):
        """An array that is not asked for is passed over piece by piece."""
        junk = b",".join([b'{"x":"' + b"y" * 1000 + b'"}'] * 8000)
        (tmp_path / "deals.json").write_bytes(b'{"junk":[' + junk + b'],"value":[{"id":1}]}')
        del junk
        tracemalloc.start()
        try:
            pages = pull(tmp_path, "deals.json", records="value")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

        assert records(pages) == [{"id": 1}]
        assert peak < 2_000_000


class TestWorkbook:
    def save(self, folder, lines, name="deals.xlsx", **formats):
        book = openpyxl.Workbook()
        sheet = book.active
        sheet.title = "Pipeline"
        for line in lines:
            sheet.append(line)
        for place, number_format in formats.items():
            sheet[place].number_format = number_format
        book.save(folder / name)

    def repack(self, path, edit):
        """Rewrite the parts of a workbook as other programs would have written them."""
        with zipfile.ZipFile(path) as archive:
            parts = {info.filename: archive.read(info) for info in archive.infolist()}
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in parts.items():
                archive.writestr(name, edit(name, content))

    def test_hands_on_typed_cells(self, tmp_path):
        """Texts, numbers, booleans, days and times keep their types; an empty cell is None."""
        self.save(
            tmp_path,
            [
                ["id", "n", "f", "won", "day", "at", "x"],
                ["1", 40, 0.5, True, date(2026, 3, 1), AT, None],
            ],
        )
        pages = pull(tmp_path, "deals.xlsx")

        assert pages[0].columns == ("id", "n", "f", "won", "day", "at", "x")
        assert [["1", 40, 0.5, True, date(2026, 3, 1), AT, None]] == rows(pages)

    @pytest.mark.parametrize(
        ("value", "number_format", "shown"),
        [
            (0.4, "0%", Percent(Decimal(40))),
            (0.07, "0.00%", Percent(Decimal(7))),
            (0.285, "0%", Percent(Decimal("28.5"))),
            (1, "0%", Percent(Decimal(100))),
            (40, '0"%"', 40),
        ],
    )
    def test_percentages_are_read_as_they_are_shown(self, tmp_path, value, number_format, shown):
        """A cell its user sees as 40 % is 40 %; a literal percent sign does not scale."""
        self.save(tmp_path, [["id", "probability"], ["1", value]], B2=number_format)

        assert [["1", shown]] == rows(pull(tmp_path, "deals.xlsx"))

    def test_formulas_count_by_their_saved_value(self, tmp_path):
        """A saved number is a number, a saved empty text is blank, and one never calculated cannot be read."""
        self.save(tmp_path, [["id", "a", "b", "c"], ["1", "=1+1", '=""', "=2+2"], ["2", "x", "y", "z"]])
        edit = {
            b"<f>1+1</f><v></v>": b"<f>1+1</f><v>2</v>",
            b"<f>1+1</f><v />": b"<f>1+1</f><v>2</v>",
            b'r="C2"': b'r="C2" t="str"',
        }

        def saved(_, content):
            for old, new in edit.items():
                content = content.replace(old, new)
            return content

        self.repack(tmp_path / "deals.xlsx", saved)
        pages = pull(tmp_path, "deals.xlsx")

        assert rows(pages) == [["1", 2, None, "#FORMULA"], ["2", "x", "y", "z"]]
        assert len(notes(pages)) == 1
        assert "sheet Pipeline" in notes(pages)[0]
        assert "row 2" in notes(pages)[0]

    def test_error_cells_are_their_text(self, tmp_path):
        """The mapping finds them unreadable and can name them."""
        self.save(tmp_path, [["id", "n"], ["1", "#N/A"], ["2", "#REF!"]])

        assert rows(pull(tmp_path, "deals.xlsx")) == [["1", "#N/A"], ["2", "#REF!"]]

    def test_a_date_out_of_range_is_an_error_cell_without_a_warning(self, tmp_path):
        """A serial number no calendar knows is unreadable, not fatal."""
        self.save(tmp_path, [["id", "day"], ["1", 99999999]], B2="yyyy-mm-dd")

        assert rows(pull(tmp_path, "deals.xlsx")) == [["1", "#VALUE!"]]

    def test_empty_rows_are_skipped_and_places_stay_right(self, tmp_path):
        """Gaps and formatted but empty rows are no records."""
        self.save(tmp_path, [[], ["id", "name"], ["1", "a"], [], ["2"], [None, ""]], A9="0%")
        pages = pull(tmp_path, "deals.xlsx")

        assert rows(pages) == [["1", "a"], ["2", None]]
        assert places(pages) == [3, 5]

    def test_a_wrong_extent_does_not_cut_rows_off(self, tmp_path):
        """What the file says of its own size is not believed."""
        self.save(tmp_path, [["id", "name"], ["1", "a"], ["2", "b"]])
        self.repack(tmp_path / "deals.xlsx", lambda _, content: content.replace(b'ref="A1:B3"', b'ref="A1:A2"'))

        assert rows(pull(tmp_path, "deals.xlsx")) == [["1", "a"], ["2", "b"]]

    def test_reads_the_sheet_that_is_named(self, tmp_path):
        """By default the first, else the named one; another name is for a person to mend."""
        book = openpyxl.Workbook()
        book.active.append(["other"])
        book.create_sheet("Deals").append(["id"])
        book.save(tmp_path / "deals.xlsx")

        assert pull(tmp_path, "deals.xlsx")[0].columns == ("other",)
        assert pull(tmp_path, "deals.xlsx", sheet="Deals")[0].columns == ("id",)
        with pytest.raises(ConfigError, match='"Sheet", "Deals"'):
            pull(tmp_path, "deals.xlsx", sheet="deals")

    def test_a_value_right_of_the_header_breaks_its_row_alone(self, tmp_path):
        """A cell without a column name cannot be understood."""
        self.save(tmp_path, [["id", "name"], ["1", "a"], ["2", "b", None, "x"], ["3", "c"]])
        pages = pull(tmp_path, "deals.xlsx")

        assert [row[0] for row in rows(pages)] == ["1", "3"]
        assert broken(pages) == [("row 3 of sheet Pipeline", "2")]
        assert "column D" in reasons(pages)

    def test_a_cell_above_the_limit_breaks_its_row_alone(self, tmp_path):
        """The limit holds for every format."""
        self.save(tmp_path, [["id", "name"], ["1", "x" * 101], ["2", "b"]])
        pages = pull(tmp_path, "deals.xlsx", max_cell=100)

        assert rows(pages) == [["2", "b"]]
        assert broken(pages) == [("row 2 of sheet Pipeline", "1")]

    def test_the_header_must_tell_columns_apart(self, tmp_path):
        """As in delimited files, with the row for the line."""
        self.save(tmp_path, [["id", "name", "name "], ["1", "a", "b"]])
        with pytest.raises(ConfigError) as caught:
            pull(tmp_path, "deals.xlsx")

        assert (caught.value.problems[0].file, caught.value.problems[0].line) == ("deals.xlsx", 1)

    def test_a_header_without_rows_is_a_source_without_records(self, tmp_path):
        """Its columns are still told; a sheet without even a header is incomplete."""
        self.save(tmp_path, [["id", "name"]])
        assert [page.columns for page in pull(tmp_path, "deals.xlsx")] == [("id", "name")]

        self.save(tmp_path, [])
        with pytest.raises(SourceIncomplete, match="is empty"):
            pull(tmp_path, "deals.xlsx")

    @pytest.mark.parametrize(
        "content", [b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), b"id,name\n1,a\n", b"PK\x03\x04junk"]
    )
    def test_what_is_no_workbook_is_refused_with_the_remedy(self, tmp_path, content):
        """Old formats, passwords, text and damage are named, with what to do."""
        with pytest.raises(SourceUnavailable) as caught:
            pull_bytes(tmp_path, content, "deals.xlsx")

        assert "save it as .xlsx" in caught.value.remedy

    def test_an_old_workbook_is_refused_with_the_remedy(self, tmp_path):
        """An .xls file is known by its ending, so that the remedy fits."""
        with pytest.raises(SourceUnavailable, match=r"old \.xls format"):
            pull_bytes(tmp_path, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "deals.xls")

    @pytest.mark.parametrize("keep", [0.3, 0.6, 0.9, 0.99])
    def test_a_cut_workbook_is_refused(self, tmp_path, keep):
        """A workbook without its end is not read at all."""
        self.save(tmp_path, [["id", "name"], *([str(number), "a"] for number in range(500))])
        content = (tmp_path / "deals.xlsx").read_bytes()

        with pytest.raises(SourceIncomplete):
            pull_bytes(tmp_path, content[: int(len(content) * keep)], "deals.xlsx")

    def test_a_sheet_cut_in_its_middle_is_incomplete(self, tmp_path):
        """A sound archive with half a sheet in it is no whole source."""
        self.save(tmp_path, [["id", "name"], *([str(number), "a"] for number in range(500))])
        half = lambda name, content: content[: len(content) // 2] if "sheet1" in name else content  # noqa: E731
        self.repack(tmp_path / "deals.xlsx", half)

        with pytest.raises(SourceIncomplete, match="damaged"):
            pull(tmp_path, "deals.xlsx")

    def test_a_workbook_that_unpacks_absurdly_is_refused(self, tmp_path):
        """A small file that would fill the disk or memory is not opened."""
        self.save(tmp_path, [["id"], ["1"]])
        bomb = lambda name, content: content + b" " * (65 << 20) if "sheet1" in name else content  # noqa: E731
        self.repack(tmp_path / "deals.xlsx", bomb)

        with pytest.raises(SourceUnavailable, match="absurd size"):
            pull(tmp_path, "deals.xlsx")

    def test_a_document_type_is_refused(self, tmp_path):
        """Entities, which could read files or swell, never reach the parser."""
        self.save(tmp_path, [["id"], ["1"]])
        entity = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>'
        evil = lambda name, content: entity + content if "sheet1" in name else content  # noqa: E731
        self.repack(tmp_path / "deals.xlsx", evil)

        with pytest.raises(SourceUnavailable, match="document type"):
            pull(tmp_path, "deals.xlsx")

    def test_a_row_number_beyond_all_sheets_is_refused(self, tmp_path):
        """A hostile row number does not make the reader count to it."""
        self.save(tmp_path, [["id"], ["1"]])
        edit = lambda _, content: content.replace(b'<row r="2"', b'<row r="99999999999"')  # noqa: E731
        self.repack(tmp_path / "deals.xlsx", edit)

        with pytest.raises(SourceIncomplete, match="damaged"):
            pull(tmp_path, "deals.xlsx")


class TestFiles:
    def test_a_missing_file_is_unavailable_with_a_remedy(self, tmp_path):
        """Where it was looked for is told."""
        with pytest.raises(SourceUnavailable, match=r"deals\.csv does not exist") as caught:
            pull(tmp_path, "deals.csv")

        assert str(tmp_path) in caught.value.remedy

    def test_a_pattern_without_a_match_is_unavailable(self, tmp_path):
        """No file is not an empty pipeline."""
        with pytest.raises(SourceUnavailable, match=r"no file matches exports/\*\.csv"):
            pull(tmp_path, "exports/*.csv")

    def test_a_directory_is_unavailable(self, tmp_path):
        """A folder is named as what it is."""
        (tmp_path / "deals.csv").mkdir()
        with pytest.raises(SourceUnavailable, match="is a directory"):
            pull(tmp_path, "deals.csv")

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read everything")
    def test_a_file_that_may_not_be_read_is_unavailable(self, tmp_path):
        """A lack of permission is named as such."""
        (tmp_path / "deals.csv").write_bytes(b"id\n1\n")
        (tmp_path / "deals.csv").chmod(0)
        with pytest.raises(SourceUnavailable, match="may not be read"):
            pull(tmp_path, "deals.csv")

    def test_several_files_are_one_source(self, tmp_path):
        """They are read by name, may order their columns differently, and places say which file."""
        (tmp_path / "exports").mkdir()
        (tmp_path / "exports" / "b.csv").write_bytes(b"name,id\nb,2\nx\n")
        (tmp_path / "exports" / "a.csv").write_bytes(b"id,name\n1,a\n")
        (tmp_path / "exports" / "c.csv").write_bytes(b"id,name\n3,c\n")
        pages = pull(tmp_path, "exports/*.csv")

        assert [(each["id"], each["name"]) for each in records(pages)] == [("1", "a"), ("2", "b"), ("3", "c")]
        assert pages[0].columns is pages[2].columns
        assert broken(pages) == [("exports/b.csv line 3", "")]

    def test_a_pattern_may_match_several_formats(self, tmp_path):
        """Each file goes by its own ending, a count beside it is not one of them, and a strange one is refused."""
        (tmp_path / "a.csv").write_bytes(b"id\n1\n")
        (tmp_path / "a.csv.count").write_bytes(b"1\n")
        (tmp_path / "b.jsonl").write_bytes(b'{"id":"2"}\n')
        assert records(pull(tmp_path, "*")) == [{"id": "1"}, {"id": "2"}]

        (tmp_path / "c.dat").write_bytes(b"id\n3\n")
        with pytest.raises(ConfigError, match=r"ending of c\.dat"):
            pull(tmp_path, "*")

    def test_a_name_with_pattern_signs_is_taken_literally_where_it_exists(self, tmp_path):
        """`deals[1].csv` is what browsers call a second download."""
        assert records(pull_bytes(tmp_path, b"id\n1\n", "deals[1].csv")) == [{"id": "1"}]

    def test_a_folder_with_pattern_signs_is_no_pattern(self, tmp_path):
        """Only the configured path is a pattern, not where the configuration stands."""
        folder = tmp_path / "team[a]"
        folder.mkdir()
        (folder / "x.csv").write_bytes(b"id\n1\n")

        assert records(pull(folder, "*.csv")) == [{"id": "1"}]

    def test_progress_is_in_bytes_of_all_files(self, tmp_path):
        """It rises to the total."""
        for name in "ab":
            (tmp_path / f"{name}.csv").write_bytes(b"id\n" + b"1\n" * 60_000)
        pages = pull(tmp_path, "*.csv")
        done = [page.done for page in pages]

        assert {240_006} == {page.total for page in pages}
        assert sorted(done) == done
        assert done[-1] == 240_006
        assert done[0] < 240_006

    @pytest.mark.parametrize(("expected", "whole"), [(3, True), (2, True), (4, False)])
    def test_fewer_records_than_expected_are_incomplete(self, tmp_path, expected, whole):
        """Broken records count as read; more than expected is no loss."""
        content = b"id,name\n1,a\n2\n3,c\n"
        if whole:
            assert len(rows(pull_bytes(tmp_path, content, expect_rows=expected))) == 2
        else:
            with pytest.raises(SourceIncomplete, match="holds 3 records, and 4 are expected"):
                pull_bytes(tmp_path, content, expect_rows=expected)

    @pytest.mark.parametrize(
        ("count", "whole"), [(b"2\n", True), (b"1", False), (b"3", False), (b"two", False), (b"", False)]
    )
    def test_a_count_beside_the_file_is_a_promise(self, tmp_path, count, whole):
        """It must be met exactly."""
        (tmp_path / "deals.csv.count").write_bytes(count)
        if whole:
            assert len(rows(pull_bytes(tmp_path, b"id\n1\n2\n"))) == 2
        else:
            with pytest.raises(SourceIncomplete, match="count"):
                pull_bytes(tmp_path, b"id\n1\n2\n")

    def test_a_file_that_changes_while_it_is_read_is_incomplete(self, tmp_path):
        """An export still being written is not judged, even if what was read looks whole."""
        path = tmp_path / "deals.csv"
        path.write_bytes(b"id\n" + b"1\n" * 100_000)

        async def meddle():
            async for _ in adapter(tmp_path, "deals.csv").pull():
                with path.open("ab") as file:
                    file.write(b"2\n")

        with pytest.raises(SourceIncomplete, match="changed while it was read"):
            asyncio.run(meddle())

    def test_closing_in_mid_pull_never_looks_like_the_end(self, tmp_path):
        """A pull whose adapter is closed under it ends as incomplete, with its file closed."""
        (tmp_path / "deals.csv").write_bytes(b"id\n" + b"1\n" * 2000)

        async def close_early():
            source = adapter(tmp_path, "deals.csv")
            async for _ in source.pull():
                await source.close()

        with pytest.raises(SourceIncomplete, match="closed before"):
            asyncio.run(close_early())

    def test_a_cancelled_pull_closes_its_file(self, tmp_path):
        """Cancellation between two pages leaves nothing open; an open file would warn, and warnings are errors."""
        (tmp_path / "deals.csv").write_bytes(b"id\n" + b"1\n" * 200_000)

        async def cancel():
            async def drain():
                async for _ in adapter(tmp_path, "deals.csv").pull():
                    pass

            task = asyncio.create_task(drain())
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(cancel())
        (tmp_path / "deals.csv").unlink()

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
    def test_a_pipe_can_be_read_as_text(self, tmp_path):
        """Delimited text needs no second look, so a pipe will do."""
        os.mkfifo(tmp_path / "pipe.csv")
        writer = threading.Thread(target=(tmp_path / "pipe.csv").write_bytes, args=(b"id\n1\n2\n",))
        writer.start()
        try:
            assert rows(pull(tmp_path, "pipe.csv")) == [["1"], ["2"]]
        finally:
            writer.join()

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
    def test_a_pipe_nobody_writes_to(self, tmp_path, monkeypatch):
        """It is given up after a while, where opening it as a file would wait for ever."""
        monkeypatch.setattr("adapters.file.pipe.PATIENCE", 0.3)
        os.mkfifo(tmp_path / "pipe.csv")

        with pytest.raises(SourceUnavailable, match=r"nobody wrote to it for 0\.3 seconds") as caught:
            pull(tmp_path, "pipe.csv")

        assert "Start what writes to it" in caught.value.remedy

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
    def test_a_writer_may_take_its_time(self, tmp_path, monkeypatch):
        """Once a writer is there the reader waits, also longer than it would without one."""
        monkeypatch.setattr("adapters.file.pipe.PATIENCE", 0.3)
        os.mkfifo(tmp_path / "pipe.csv")

        def write():
            time.sleep(0.1)
            with (tmp_path / "pipe.csv").open("wb", buffering=0) as pipe:
                for part in (b"id\n", b"1\n", b"2\n"):
                    time.sleep(0.5)
                    pipe.write(part)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            assert rows(pull(tmp_path, "pipe.csv")) == [["1"], ["2"]]
        finally:
            writer.join()

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
    def test_a_writer_that_came_and_went(self, tmp_path):
        """It wrote nothing: that is an empty export, and not a writer to wait for."""
        os.mkfifo(tmp_path / "pipe.csv")
        writer = threading.Thread(target=(tmp_path / "pipe.csv").write_bytes, args=(b"",))
        writer.start()
        try:
            with pytest.raises(SourceIncomplete, match="no header"):
                pull(tmp_path, "pipe.csv")
        finally:
            writer.join()

    @pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="needs devices")  # noqa: PTH110
    def test_a_device_is_refused(self, tmp_path):
        """Some never end, and others wait for somebody to type."""
        with pytest.raises(SourceUnavailable, match="is a device"):
            pull(tmp_path, "/dev/zero", format="csv")


class TestSettings:
    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"path": "deals.dat"}, "ending of deals.dat"),
            ({"path": "deals.csv", "sheet": "A"}, "`sheet` is for xlsx"),
            ({"path": "deals.csv", "records": "a"}, "`records` is for json"),
            ({"path": "deals.xlsx", "delimiter": ";"}, "`delimiter` is for csv"),
            ({"path": "deals.xlsx", "encoding": "utf-8"}, "`encoding` is for csv"),
            ({"path": "deals.csv", "delimiter": '"'}, "`delimiter` cannot be"),
            ({"path": "deals.csv", "encoding": "latin-99"}, "no text encoding"),
            ({"path": "deals.csv", "encoding": "base64"}, "no text encoding"),
        ],
    )
    def test_settings_that_contradict_one_another_are_refused_before_anything_is_opened(
        self, tmp_path, settings, message
    ):
        """A person is told what to change."""
        with pytest.raises(ConfigError, match=message):
            adapter(tmp_path, **settings)

    def test_all_problems_are_told_at_once(self, tmp_path):
        """Nobody mends one only to meet the next."""
        with pytest.raises(ConfigError) as caught:
            adapter(tmp_path, "deals.csv", sheet="A", records="b", encoding="nonsense")

        assert len(caught.value.problems) == 3

    def test_unknown_settings_are_refused(self, tmp_path):
        """A misspelt setting is never ignored."""
        with pytest.raises(msgspec.ValidationError, match="sheat"):
            adapter(tmp_path, "deals.xlsx", sheat="A")

    def test_the_format_can_be_set(self, tmp_path):
        """A setting outranks the ending."""
        assert records(pull_bytes(tmp_path, b'{"id":"1"}\n', "deals.txt", format="jsonl")) == [{"id": "1"}]

    @pytest.mark.parametrize(
        ("path", "place"), [("a.csv", "line"), ("a.jsonl", "line"), ("a.xlsx", "row"), ("a.json", "record")]
    )
    def test_places_are_called_what_users_call_them(self, tmp_path, path, place):
        """A line of text, a row of a sheet, a record of a document."""
        assert place == adapter(tmp_path, path).capabilities.place
