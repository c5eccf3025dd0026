"""`status` and `history`: the state of sources and runs, and the story of one opportunity."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from syncd.cli.options import ConfigOption, SourceOption, split
from syncd.errors import UsageError

_RUNS = 10


def status(
    config: ConfigOption = None, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Show what the store holds: sources, the last runs, open discrepancies."""
    from syncd.bootstrap import find_config, load_workspace  # noqa: PLC0415 - keeps `syncd --help` quick
    from syncd.store.stories import store_status  # noqa: PLC0415

    workspace = load_workspace(find_config(config))
    store = workspace.open_store()
    try:
        with store.read() as connection:
            found = store_status(connection, configured=list(workspace.settings.sources), runs=_RUNS)
    finally:
        store.close()
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    for source in found["sources"]:
        read = (
            f"{source['records']:,} records, read whole by run {source['complete_run']}"
            if source["complete_run"]
            else "never read whole"
        )
        typer.echo(f"source {source['name']}: {read}")
    typer.echo(f"open discrepancies: {found['open']:,}")
    typer.echo("runs, newest first:" if found["runs"] else "no run yet; `syncd check` makes one")
    for run in found["runs"]:
        counts = ", ".join(f"{number:,} {name}" for name, number in run["counts"].items() if number)
        typer.echo(
            f"  {run['started_at']}  {run['command']:<10} {run['state']:<12} {run['run'] or '-'}  {counts}".rstrip()
        )


def history(
    id: Annotated[str, typer.Argument(metavar="ID", help="The opportunity's id in its CRM.")],  # noqa: A002
    config: ConfigOption = None,
    source: SourceOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell one opportunity's story: what was read of it, when it changed, and the life of each discrepancy."""
    from syncd.bootstrap import find_config, load_workspace  # noqa: PLC0415 - keeps `syncd --help` quick
    from syncd.store.stories import opportunity_stories  # noqa: PLC0415

    workspace = load_workspace(find_config(config))
    store = workspace.open_store()
    try:
        with store.read() as connection:
            stories = opportunity_stories(connection, id, sources=split(source), process=workspace.process)
    finally:
        store.close()
    if not stories:
        raise UsageError(f"no run has read an opportunity {id!r}; ids are the CRM's own, in its own capitals")
    if as_json:
        typer.echo(json.dumps(stories, indent=1, ensure_ascii=False))
        return
    for story in stories:
        _tell(story)


def _tell(story: dict[str, Any]) -> None:
    from syncd.report.hostile import clean  # noqa: PLC0415 - keeps `syncd --help` quick

    typer.echo(f"{clean(story['id'])}  {clean(story['name'] or '')}  (source {story['source']})".rstrip())
    for event in story["events"]:
        typer.echo(f"  {event['day']}  {event['kind']:<12} {clean(event['text'])}")
