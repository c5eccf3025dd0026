"""`doctor`: whether each source can be read, and what stands in the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from syncd.cli.failures import CLEAN, INCOMPLETE
from syncd.cli.options import ConfigOption, SourceOption, split

if TYPE_CHECKING:
    from syncd.doctor import Examined

_MARKS = {"ok": "ok", "warning": "warning", "failed": "FAILED", "skipped": "skipped"}


def doctor(
    config: ConfigOption = None,
    source: SourceOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check each source: can it be reached, do the credentials serve, does the mapping fit, and what to do if not."""
    import asyncio  # noqa: PLC0415 - keeps `syncd --help` quick
    import json  # noqa: PLC0415

    from syncd.bootstrap import find_config, load_workspace  # noqa: PLC0415
    from syncd.doctor import examine_all  # noqa: PLC0415
    from syncd.logs import configure_logs  # noqa: PLC0415

    configure_logs(-1)
    workspace = load_workspace(find_config(config), only=split(source))
    store = workspace.open_store()

    async def examined() -> list[Examined]:
        found = []
        with store.read() as connection:
            async for one in examine_all(workspace.sources, connection):
                found.append(one)
                if not as_json:
                    _show(one)
        return found

    try:
        found = asyncio.run(examined())
    finally:
        store.close()
    if as_json:
        typer.echo(json.dumps({"schema": "syncd/doctor/1", "sources": [_plain(one) for one in found]}, indent=1))
    raise typer.Exit(INCOMPLETE if any(one.failed for one in found) else CLEAN)


def _show(examined: Examined) -> None:
    from syncd.report.hostile import clean  # noqa: PLC0415 - keeps `syncd --help` quick

    typer.echo(f"{examined.source} ({examined.adapter})")
    for check in examined.checks:
        typer.echo(f"  {_MARKS[check.outcome]:<8} {check.name}: {clean(check.says)}")
        if check.remedy:
            typer.echo(f"           -> {clean(check.remedy)}")


def _plain(examined: Examined) -> dict[str, Any]:
    checks = [
        {"name": check.name, "outcome": check.outcome, "says": check.says, "remedy": check.remedy}
        for check in examined.checks
    ]
    return {"name": examined.source, "adapter": examined.adapter, "failed": examined.failed, "checks": checks}
