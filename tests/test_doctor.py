"""`syncd doctor`: what is found about each source, what to do about it, and how it ends."""

from tests.store.runs import deal


def test_a_sound_source(desk):
    """Where nothing is wrong every check says so, and the command ends with 0."""
    desk.deals(deal("1"))
    desk.check()
    done = desk.syncd("doctor", "--json")

    (source,) = done.json["sources"]
    outcomes = {check["name"]: check["outcome"] for check in source["checks"]}
    assert (done.code, source["failed"]) == (0, False)
    assert outcomes["file"] == outcomes["stage labels met with"] == "ok"


def test_a_source_that_cannot_be_read(desk):
    """What keeps a source from being read is named with its remedy, and the command ends with 3."""
    desk.deals(deal("1"))
    (desk.folder / "deals.csv").unlink()
    done = desk.syncd("doctor")

    assert done.code == 3
    assert "FAILED   file" in done.out
    assert "->" in done.out
    assert "skipped  stage labels met with: no run has read this source yet" in done.out


def test_labels_without_a_stage(desk):
    """Labels that no run could place are listed by how often they occur, hostile text cleaned."""
    desk.deals(deal("1", stage="Negotiation"), deal("2", stage="Negotiation"), deal("3", stage="\x1b[31mRed"))
    desk.check()
    done = desk.syncd("doctor")

    assert done.code == 0
    assert "no stage has the label 'Negotiation' (2)" in done.out
    assert "\x1b" not in done.out
    assert "add each label to its stage" in done.out


def test_missing_columns(desk):
    """Columns of the mapping that a file does not have are a warning, since those fields are unknown."""
    desk.deals(deal("1"))
    done = desk.syncd("doctor")

    assert "warning  columns of the mapping: no column" in done.out
