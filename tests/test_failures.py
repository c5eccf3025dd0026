"""What breaks in the middle: Ctrl-C, a kill, a full disk. The store is usable afterwards and the next run is fine."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from tests.test_determinism import deal

ROWS = 4_000


@pytest.fixture
def begun(desk):
    """A desk with one finished run, whose next export comes through a pipe and is still being written."""
    desk.deals(*(deal(str(number)) for number in range(50)))
    assert desk.check("--select", "OUT002").code == 1
    (desk.folder / "deals.csv").rename(desk.folder / "first.csv")
    os.mkfifo(desk.folder / "deals.csv")
    return desk


def feed(desk):
    """Write half an export into the pipe, once somebody reads it; gives the open end."""
    deals = desk.folder / "deals.csv"
    end = os.open(deals, os.O_WRONLY)
    text = (desk.folder / "first.csv").read_bytes()
    header, one = text.splitlines(keepends=True)[:2]
    more = b"".join(one.replace(b"0,Deal 0", f"new-{number},Deal".encode(), 1) for number in range(ROWS))
    view = memoryview(header + more)
    while view:
        view = view[os.write(end, view) :]
    return end


def wait_for_more(seconds=0.3):
    # Long enough for the reader to have taken in what the pipe held; how far it came makes no difference.
    time.sleep(seconds)


def goes_on(desk):
    """The next run over the first export finds everything as the run before the failure left it."""
    (desk.folder / "deals.csv").unlink()
    (desk.folder / "first.csv").rename(desk.folder / "deals.csv")
    with sqlite3.connect(desk.folder / "store.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    done = desk.check("--select", "OUT002")
    assert done.code == 1
    assert done.json["summary"]["by_state"] == {"new": 0, "unchanged": 50, "reopened": 0, "fixed": 0}
    assert done.json["fixed"] == []


def test_ctrl_c_while_reading(begun):
    """Ctrl-C while a source is read ends at once with 130 and a sentence, and leaves the store as it was."""
    process = begun.start("check")
    end = feed(begun)
    wait_for_more()
    process.send_signal(signal.SIGINT)
    try:
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
        os.close(end)

    assert process.returncode == 130
    assert out == b""
    assert err.decode().startswith("interrupted")
    assert b"Traceback" not in err
    assert [one["state"] for one in begun.syncd("status", "--json").json["runs"]] == ["interrupted", "finished"]
    goes_on(begun)


def test_ctrl_c_while_judging(desk):
    """Ctrl-C while records are judged ends at once, too, with nothing stored."""
    desk.deals(*(deal(str(number), name=f"Deal {number}") for number in range(40_000)))
    process = desk.start("check", "--output-format", "csv", "-o", "out.csv")
    until_well_under_way(desk.folder / "store.db-wal")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)

    assert (process.returncode, out) == (130, b"")
    assert err.decode().startswith("interrupted")
    assert not (desk.folder / "out.csv").exists()
    assert desk.syncd("status", "--json").json["open"] == 0
    done = desk.check("--select", "OUT002")
    assert done.json["summary"]["by_state"]["new"] == 40_000


def until_well_under_way(log):
    """Wait until a run has so much judged that the database no longer holds it in memory."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if log.exists() and log.stat().st_size > 1_000_000:
            return
        time.sleep(0.01)
    raise AssertionError("nothing was ever written")


def test_a_kill_while_reading(begun):
    """A kill in the middle of a pull leaves nothing of it, and needs no repair."""
    process = begun.start("check")
    end = feed(begun)
    wait_for_more()
    process.kill()
    process.communicate(timeout=20)
    os.close(end)

    assert process.returncode == -signal.SIGKILL
    assert [one["state"] for one in begun.syncd("status", "--json").json["runs"]] == ["unfinished", "finished"]
    goes_on(begun)


def test_a_kill_while_judging(desk):
    """A kill when much is judged already leaves nothing of it; the next run finds all of it new."""
    desk.deals(*(deal(str(number), name=f"Deal {number}") for number in range(40_000)))
    process = desk.start("check")
    until_well_under_way(desk.folder / "store.db-wal")
    process.kill()
    process.communicate(timeout=20)

    assert desk.syncd("status", "--json").json["open"] == 0
    done = desk.check("--select", "OUT002")
    assert done.json["summary"]["by_state"]["new"] == 40_000
    assert len(done.found()) == 40_000


def test_a_writer_that_dies(begun):
    """When the writer of a pipe goes in the middle of a quoted cell the source is incomplete and nothing is judged."""
    process = begun.start("check", "--output-format", "json")
    end = feed(begun)
    os.write(end, b'last,"Deal that nev')
    os.close(end)
    out, _ = process.communicate(timeout=60)

    assert process.returncode == 3
    assert b"deals.csv" in out
    goes_on(begun)


LIMITED = """
import resource, signal, sys
# Files may not grow beyond this, as on a full disk; without the signal the write fails with an error.
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (MOST, MOST))
from syncd.cli import main
sys.argv = ["syncd", *sys.argv[1:]]
main()
"""


def limited(desk, size, *arguments):
    command = [sys.executable, "-c", LIMITED.replace("MOST", str(size)), *arguments]
    return subprocess.run(command, cwd=desk.folder, capture_output=True, check=False, timeout=60)


@pytest.mark.parametrize("size", [100_000, 1_500_000])
def test_a_full_disk(desk, size):
    """When the disk is full the run ends with 2 and a sentence; with room again, everything before is there."""
    desk.deals(*(deal(str(number)) for number in range(20)))
    assert desk.check("--select", "OUT002").code == 1
    desk.deals(*(deal(str(number)) for number in range(6_000)))
    done = limited(desk, size, "check", "--select", "OUT002")

    said = done.stderr.decode()
    assert (done.returncode, done.stdout) == (2, b"")
    assert "the database cannot be used" in said
    assert "is intact" in said
    assert "Traceback" not in said
    again = desk.check("--select", "OUT002")
    assert again.code == 1
    assert again.json["summary"]["by_state"] == {"new": 5_980, "unchanged": 20, "reopened": 0, "fixed": 0}


def test_a_full_disk_under_the_report(desk):
    """When the result cannot be written the file that was there stays, and the run itself is kept."""
    desk.deals(*(deal(str(number)) for number in range(2_000)))
    assert desk.check().code == 1
    desk.write("out.json", "the old report")
    done = limited(desk, 50_000, "report", "--format", "json", "-o", "out.json")

    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert b"internal error" not in done.stderr
    assert (desk.folder / "out.json").read_text() == "the old report"
    assert [one.name for one in desk.folder.iterdir() if one.name.startswith(".")] == []


def test_a_damaged_database(desk):
    """A database with damaged pages is refused with a sentence, not read as if it were sound."""
    desk.deals(*(deal(str(number)) for number in range(2_000)))
    desk.check()
    content = bytearray((desk.folder / "store.db").read_bytes())
    for start in range(8_192, len(content), 4_096):
        content[start : start + 64] = b"\xff" * 64
    (desk.folder / "store.db").write_bytes(content)
    for name in ("store.db-wal", "store.db-shm"):
        (desk.folder / name).unlink(missing_ok=True)
    done = desk.syncd("check")

    assert done.code == 2
    assert "the database cannot be used" in done.err


def test_a_database_that_may_not_be_written(desk):
    """A database in a place where nothing may be written is refused with a sentence."""
    desk.deals(deal("1"))
    assert desk.check().code == 1
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    (desk.folder / "store.db").chmod(0o400)
    done = desk.syncd("check")

    assert done.code == 2
    assert "the database cannot be used" in done.err


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("mount") is None or os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_for_real(desk):
    """The same on a disk that really is full."""
    disk = desk.folder / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        desk.configure("sqlite:///disk/store.db")
        desk.deals(deal("1"))
        assert desk.check("--select", "OUT002").code == 1
        desk.deals(*(deal(str(number)) for number in range(6_000)))
        full = desk.syncd("check", "--select", "OUT002")
        desk.deals(deal("1"), deal("2"))
        after = desk.check("--select", "OUT002")
    finally:
        subprocess.run(["umount", str(disk)], check=True)

    assert full.code == 2
    assert "full" in full.err
    assert [one["state"] for one in after.json["discrepancies"]] == ["unchanged", "new"]
