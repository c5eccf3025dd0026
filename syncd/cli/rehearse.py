"""`rehearse`: doubles of the systems on this machine, to try everything without a CRM."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syncd.cli.options import SourceOption, split
from syncd.errors import UsageError

if TYPE_CHECKING:
    from syncd.rehearse import Stand

_CONFIG = "syncd.toml"


def rehearse(
    folder: Annotated[Path, typer.Argument(help="Where the configuration goes.")] = Path("rehearsal"),
    source: SourceOption = None,
    copies: Annotated[int, typer.Option("--copies", min=1, help="How often the made-up pipeline is repeated.")] = 1,
    port: Annotated[int, typer.Option("--port", min=0, help="Of the first system; 0 takes any that are free.")] = 0,
) -> None:
    """Start doubles of the systems syncd can read, holding a made-up pipeline, and write a configuration for them."""
    import contextlib  # noqa: PLC0415 - keeps `syncd --help` quick
    import json  # noqa: PLC0415
    import time  # noqa: PLC0415
    from datetime import UTC, datetime  # noqa: PLC0415

    from syncd.bootstrap import DEFAULT_PROCESS, find_process  # noqa: PLC0415
    from syncd.policy import did_you_mean  # noqa: PLC0415
    from syncd.rehearse import known_doubles, pipeline, stands  # noqa: PLC0415

    known = list(known_doubles())
    names = split(source) or tuple(known)
    if unknown := [name for name in names if name not in known]:
        near = did_you_mean(unknown[0], known)
        raise UsageError(f"--source: there is no double of {unknown[0]!r}{near}; installed: {', '.join(known)}")
    process = find_process(DEFAULT_PROCESS, Path.cwd())
    records, today = pipeline(copies), datetime.now(UTC).date()
    with stands(names, process=process, records=records, today=today, port=port) as made:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder, made)
        truth = {one.name: one.truth for one in made}
        (folder / "truth.json").write_text(json.dumps(truth, indent=1), encoding="utf-8")
        for one in made:
            typer.echo(f"{one.name}: {len(records):,} opportunities at {one.url}")
        typer.echo(f"in another terminal: syncd check -c {folder / _CONFIG}")
        typer.echo("Ctrl-C ends the rehearsal")
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(3600)


def _write(folder: Path, made: list[Stand]) -> None:
    """The configuration, and a file for each secret it refers to."""
    from syncd.rehearse import LEFT_OUT  # noqa: PLC0415 - keeps `syncd --help` quick

    secrets = folder / "secrets"
    secrets.mkdir(mode=0o700, exist_ok=True)
    lines = [
        "# A rehearsal: systems on this machine that `syncd rehearse` started. Their secrets are made up.",
        "[syncd]",
        'database = "sqlite:///rehearsal.db"',
        "",
        "# Where the made-up pipeline is silent, systems fill in history, forecast and owner by themselves.",
        "[rules]",
        f"ignore = {_toml(LEFT_OUT)}",
    ]
    for one in made:
        for name, value in one.double.secrets.items():
            (secrets / name).write_text(value, encoding="utf-8")
        lines += ["", f"[sources.{one.name}]", f'adapter = "{one.name}"', f'mapping = "{one.double.mapping}"']
        given = {"base_url": one.url, **one.double.settings}
        lines += [f"{key} = {_toml(_placed(value, one.url))}" for key, value in given.items()]
    (folder / _CONFIG).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _placed(value: Any, url: str) -> Any:
    """A setting with the system's address put in and secrets taken from files."""
    if isinstance(value, dict):
        if set(value) == {"env"}:
            return {"file": f"secrets/{value['env']}"}
        return {key: _placed(one, url) for key, one in value.items()}
    return value.replace("{url}", url) if isinstance(value, str) else value


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f'"{key}" = {_toml(one)}' for key, one in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        import json  # noqa: PLC0415 - a basic string of TOML is one of JSON

        return json.dumps(value)
    return str(value)
