"""`rules` and `explain`: the catalogue, the chart's coverage by it, and one rule in full."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syncd.cli.options import ConfigOption
from syncd.errors import UsageError

if TYPE_CHECKING:
    from syncd.coverage import PhraseCoverage
    from syncd.process import Process
    from syncd.rules import RuleInfo


def rules(
    config: ConfigOption = None,
    coverage: Annotated[
        bool, typer.Option("--coverage", help="Every phrase of the chart and the rules that check it, or why none can.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the rules, or with --coverage what of the chart they check."""
    from syncd.bootstrap import coverage_of  # noqa: PLC0415 - keeps `syncd --help` quick

    process, infos, folder = _catalogue(config)
    if coverage:
        phrases = coverage_of(process, folder)
        if phrases is None:
            raise UsageError(f"there is no mappings/{process.name}-coverage.toml for the process {process.name!r}")
        _print_coverage(phrases, as_json=as_json)
        return
    if as_json:
        keys = ("code", "severity", "title", "phrases", "evidence", "fix", "judged")
        typer.echo(json.dumps([{key: getattr(info, key) for key in keys} for info in infos.values()], indent=1))
        return
    for info in infos.values():
        later = "" if info.judged else "  (needs a second source)"
        typer.echo(f"{info.code}  {info.severity:<8} {info.title}{later}")
    typer.echo(f"\n{len(infos)} rules; `syncd explain CODE` tells one in full", err=True)


def explain(
    rule: Annotated[str, typer.Argument(metavar="RULE", help="Its code, such as OUT003.")],
    config: ConfigOption = None,
) -> None:
    """Explain one rule: what it checks, why, with which evidence, and what cures it."""
    from syncd.policy import did_you_mean  # noqa: PLC0415 - keeps `syncd --help` quick

    _, infos, _ = _catalogue(config)
    info = infos.get(rule.upper())
    if info is None:
        raise UsageError(f"there is no rule {rule!r}{did_you_mean(rule.upper(), infos)}; `syncd rules` lists them")
    quoted = " · ".join(f"“{phrase}”" for phrase in info.phrases) or "none: data quality"
    lines = [
        f"# {info.code}: {info.title}",
        f"Severity: {info.severity}",
        f"Chart: {quoted}",
        f"Evidence: {info.evidence}",
    ]
    typer.echo("\n".join(lines) + f"\n\n{info.explanation}")


def _catalogue(config: Path | None) -> tuple[Process, dict[str, RuleInfo], Path]:
    """The catalogue of the configuration, or, where there is none, that of the chart syncd ships."""
    from syncd.bootstrap import DEFAULT_PROCESS, find_config, find_process, load_workspace  # noqa: PLC0415
    from syncd.rules import catalogue  # noqa: PLC0415

    try:
        path = find_config(config)
    except UsageError:
        process = find_process(DEFAULT_PROCESS, Path.cwd())
        return process, {info.code: info for info in catalogue(process)}, Path.cwd()
    workspace = load_workspace(path)
    return workspace.process, workspace.infos, workspace.settings.folder


def _print_coverage(phrases: tuple[PhraseCoverage, ...], *, as_json: bool) -> None:
    if as_json:
        keys = ("id", "stage", "kind", "text", "rules", "reason")
        typer.echo(
            json.dumps([{key: getattr(one, key) for key in keys} for one in phrases], indent=1, ensure_ascii=False)
        )
        return
    stage = ""
    for one in phrases:
        if one.stage != stage:
            stage = one.stage
            typer.echo(f"\n{stage}")
        said = ", ".join(one.rules) if one.rules else f"not machine-checkable: {one.reason}"
        typer.echo(f"  {one.kind:<12} {one.text}\n  {'':<12}   {said}")
    typer.echo("")
    for kind in dict.fromkeys(one.kind for one in phrases):
        of_kind = [one for one in phrases if one.kind == kind]
        checked = sum(bool(one.rules) for one in of_kind)
        typer.echo(f"{kind}: {checked} of {len(of_kind)} checked")
