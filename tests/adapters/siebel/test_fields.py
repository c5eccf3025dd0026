"""Which fields are asked for, and what becomes of values."""

from __future__ import annotations

import pytest

from adapters.siebel.records import Decoder
from syncd.adapter import MISSING
from syncd.errors import ConfigError, SourceIncomplete, WatermarkLost
from syncd.rehearsal import Reply
from tests.adapters.siebel.scene import FIELDS, deals, mark_of, pages_of, pulled, siebel


def test_only_fields_of_the_mapping_are_asked_for():
    """Each page is asked for with the mapped fields, the settings of the source, and in the product's own spelling."""
    with siebel(deals(250)) as scene:
        pulled(scene.adapter(view_mode="All"))
        queries = [query for path, query in scene.double.asked if not path.endswith("describe")]

        for query in queries:
            assert set(query["fields"].split(",")) == FIELDS - {"Id"}
            assert (query["uniformresponse"], query["childlinks"], query["ViewMode"]) == ("y", "None", "All")
            assert (query["ExecutionMode"], query["sortspec"], query["PageSize"]) == ("ForwardOnly", "Id:asc", "100")
        assert ["recordcountneeded" in query for query in queries] == [True, False, True]


def test_names_of_fields_keep_their_signs():
    """Names with spaces, `#`, `%`, `/` and `+` are asked for as they are."""
    odd = "Rep % of #1/2 + more"
    with siebel([{**deals(1)[0], odd: "x"}]) as scene:
        assert pulled(scene.adapter(context=scene.context(fields={*FIELDS, odd})))[0][odd] == "x"


def test_a_field_that_siebel_does_not_have():
    """It is left out with a note, the rest is read, and increments ask for its description alone."""
    with siebel(deals(3)) as scene:
        context = scene.context(fields={*FIELDS, "MSSP Sponsor", "Updated"})
        pages = pages_of(scene.adapter(context=context))
        before = len(scene.double.asked)
        pages_of(scene.adapter(context=context), pages[-1].watermark)

        assert "MSSP Sponsor" not in pages[0].columns
        assert [note for page in pages for note in page.notes] == [
            "Siebel has no field MSSP Sponsor, Updated: what the mapping takes from there is unknown"
        ]
        assert len(scene.double.asked) == before + 2


def test_a_description_that_leaves_out_what_there_is():
    """What `describe` does not name is asked for once, since it may disagree with answers."""
    with siebel(deals(3)) as scene:
        scene.double.undescribed = {"Primary Revenue Win Probability", "Name"}
        pages = pages_of(scene.adapter())

        assert {"Primary Revenue Win Probability", "Name"} <= set(pages[0].columns)
        assert [note for page in pages for note in page.notes] == []


@pytest.mark.parametrize("swagger", [True, False])
def test_both_forms_of_a_description(swagger):
    """Swagger 2.0 and OpenAPI 3.0 are read alike."""
    with siebel(deals(3)) as scene:
        scene.double.swagger = swagger
        pages = pages_of(scene.adapter(context=scene.context(fields={*FIELDS, "MSSP Sponsor"})))

        assert set(pages[0].columns) == FIELDS


def test_without_a_stage_nothing_can_be_judged():
    """A stage field that Siebel does not have is an error in the configuration."""
    with siebel(deals(3)) as scene:
        context = scene.context(fields={"Id", "Stage"}, roles={"id": "Id", "stage": "Stage"})
        with pytest.raises(ConfigError, match="no field 'Stage'"):
            pulled(scene.adapter(context=context))


def test_fields_refused_and_not_described():
    """Where Siebel refuses a field and does not say which there are, the configuration is at fault."""
    with siebel(deals(3)) as scene:
        handle = scene.double.handle
        scene.server._handler = lambda request: (
            Reply(404, b"{}") if request.path.endswith("describe") else handle(request)
        )
        with pytest.raises(ConfigError, match="doctor"):
            pulled(scene.adapter(context=scene.context(fields={*FIELDS, "MSSP Sponsor"})))


def test_a_field_that_vanishes_in_mid_pull():
    """A field that the administrator takes away meanwhile makes the pull incomplete; the next one does without it."""
    with siebel([{**deal, "MSSP Sponsor": "Dana"} for deal in deals(200)]) as scene:
        context = scene.context(fields={*FIELDS, "MSSP Sponsor"})
        scene.double.on_request = lambda _: len(scene.double.asked) == 4 and scene.double.fields.pop("MSSP Sponsor")
        with pytest.raises(SourceIncomplete, match="50258") as caught:
            pulled(scene.adapter(context=context, page_size=25, max_connections=1))
        scene.double.on_request = lambda _: None

        assert "doctor" in caught.value.remedy
        assert len(pulled(scene.adapter(context=context))) == 200


def test_blank_values():
    """Empty and unset foreign keys are both blank; every value is a text, and the page says so."""
    with siebel(deals(3)) as scene:
        context = scene.context(fields={*FIELDS, "Primary Territory Id", "Account"})
        (page, _) = pages_of(scene.adapter(context=context))
        row = dict(zip(page.columns, page.rows[0], strict=True))

        assert (row["Primary Territory Id"], row["Account"]) == ("", "")
        assert page.text is True


def test_one_record_that_is_no_list():
    """A single record comes as an object in some builds, and so does a single link."""
    found = Decoder(("Id", "Name"))(b'{"items":{"Id":"1-A1","Name":"x"},"Link":{"rel":"self","href":"y"}}')

    assert (found.rows, found.more, found.text) == ([("1-A1", "x")], False, True)


def test_values_that_are_no_texts_and_fields_that_are_absent():
    """Numbers and nulls pass as they are; a key that a record lacks is missing there."""
    found = Decoder(("Id", "Name", "Amount"))(b'{"items":[{"Id":"1","Name":null,"Amount":5},{"Id":"2","Name":"x"}]}')

    assert found.rows == [("1", None, 5), ("2", "x", MISSING)]
    assert found.text is False


def test_links_of_another_host_are_not_followed():
    """Of the link to the next page only its row number counts."""
    body = (
        b'{"items":[{"Id":"1"}],"Link":[{"rel":"self","href":"https://x/"},'
        b'{"rel":"nextSet","href":"https://elsewhere.invalid/siebel?PageSize=1&StartRowNum=77"}]}'
    )
    found = Decoder(("Id",))(body)

    assert (found.more, found.next_start) == (True, 77)
    with siebel(deals(250)) as scene:
        assert len(pulled(scene.adapter())) == 250


def test_a_last_page_that_says_so():
    """`lastpage` is a text, and ends the list whatever else there is."""
    link = b'"Link":[{"rel":"nextSet","href":"https://x/?StartRowNum=5"}]'

    assert Decoder(("Id",))(b'{"lastpage":"true","items":[{"Id":"1"}],' + link + b"}").more is False


def test_without_a_mapping_every_field_comes():
    """A context that names no fields means all that Siebel describes."""
    with siebel(deals(3)) as scene:
        rows = pulled(scene.adapter(context=scene.context(fields=())))

        assert set(rows[0]) == set(scene.double.fields)
        assert [row["Name"] for row in rows] == ["Deal 0", "Deal 1", "Deal 2"]


def test_a_field_that_came_since():
    """What an administrator adds is unknown of every record given before, so that all have to be read."""
    with siebel(deals(3)) as scene:
        context = scene.context(fields={*FIELDS, "MSSP Sponsor"})
        mark = mark_of(pages_of(scene.adapter(context=context)))
        scene.double.change("1-00001", {"MSSP Sponsor": "Dana"})

        with pytest.raises(WatermarkLost, match="MSSP Sponsor"):
            pages_of(scene.adapter(context=context), mark)
        assert pulled(scene.adapter(context=context))[1]["MSSP Sponsor"] == "Dana"
