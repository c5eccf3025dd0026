"""`init` and `config check`: a first configuration, and whether one can work."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final

import typer

from syncd.cli.options import ConfigOption
from syncd.errors import UsageError

app: Final = typer.Typer(help="Look at the configuration.", rich_markup_mode=None, no_args_is_help=True)


@app.command("check")
def check(config: ConfigOption = None) -> None:
    """Check the configuration and everything it names; print every problem with its line."""
    from syncd.bootstrap import find_config, load_workspace  # noqa: PLC0415 - keeps `syncd --help` quick

    path = find_config(config)
    workspace = load_workspace(path)
    selected = sum(workspace.policy.selected(code) for code in workspace.infos)
    typer.echo(f"{path}: fine. Process {workspace.process.name}, {selected} of {len(workspace.infos)} rules selected.")
    for source in workspace.sources:
        given = workspace.settings.sources[source.name]
        evidence = len(source.mapper.mapping.evidence)
        typer.echo(
            f"  {source.name}: adapter {source.adapter_name}, mapping {source.mapper.mapping.name} "
            f"({evidence} of {len(workspace.process.evidence)} evidence ids), write {given.write}"
        )


def init(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it.")] = Path("syncd.toml"),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
) -> None:
    """Write a commented configuration and a small example pipeline to start from."""
    if path.exists() and not force:
        raise UsageError(f"{path} exists; --force replaces it")
    starter = files("syncd.starter")
    example = path.parent / "examples" / "pipeline.csv"
    example.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((starter / "config.toml").read_bytes())
    typer.echo(f"wrote {path}")
    if not example.exists():
        example.write_bytes((starter / "pipeline.csv").read_bytes())
        typer.echo(f"wrote {example}, a made-up pipeline to try it on")
    typer.echo(f"next: syncd check -c {path}")
