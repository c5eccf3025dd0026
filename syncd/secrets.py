"""Secrets as references: a configuration says where a secret is, never what it is.

Not for: keeping secrets out of logs that others write (`syncd.logs`).
"""

from __future__ import annotations

import importlib
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from syncd.errors import ConfigError, Problem

FORMS: Final = (
    '{ file = "/run/secrets/name" }, { env = "NAME" }, { command = ["program", "argument"] }, '
    '{ keyring = "service/user" } or { credential = "name" }'
)
"""The five forms of a reference, for messages."""

COMMAND_SECONDS: Final = 30.0
"""How long a command may take to give its secret."""

_SECRET_WORDS: Final = (
    "password", "passwd", "pwd", "passphrase", "token", "secret", "api_key", "apikey", "private_key", "authorization",
)  # fmt: skip


class Secret(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a secret is kept. Exactly one attribute is given.

    Attributes:
        file: A file that holds nothing else; one line end after it is not part of it.
        env: An environment variable.
        command: A program and its arguments, run without a shell; it prints the secret.
        keyring: `service/user` in the system's keyring.
        credential: The name of a systemd credential (`LoadCredential=`).
    """

    file: str | None = None
    env: str | None = None
    command: tuple[str, ...] | None = None
    keyring: str | None = None
    credential: str | None = None

    def __post_init__(self) -> None:
        given = [name for name in self.__struct_fields__ if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("a reference holds exactly one of file, env, command, keyring, credential")
        if not getattr(self, given[0]) or (self.command is not None and not self.command[0]):
            raise ValueError(f"{given[0]} is empty")
        if self.keyring is not None and not all(self.keyring.rpartition("/")[::2]):
            raise ValueError("keyring is written service/user")
        if self.credential is not None and Path(self.credential).name != self.credential:
            raise ValueError("credential is a name, not a path")

    def __str__(self) -> str:
        """The reference as written; of a command only the program, as arguments may be nobody's business."""
        name, value = next(
            (name, value) for name in self.__struct_fields__ if (value := getattr(self, name)) is not None
        )
        return f'{{ {name} = "{value}" }}' if isinstance(value, str) else f'{{ {name} = ["{value[0]}", ...] }}'


class SecretValue:
    """A secret in memory. Neither printing nor formatting it shows it; `reveal` does."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        """Args: value, the secret itself."""
        self._value = value

    def reveal(self) -> str:
        """The secret itself. Call it where it leaves for the other system, nowhere else."""
        return self._value

    def __repr__(self) -> str:
        return "SecretValue('**********')"

    def __str__(self) -> str:
        return "**********"


def looks_secret(key: str) -> bool:
    """Whether a key's name says that its value is a secret: `password`, `client_secret`, `accessToken`, `X-Api-Key`."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower().replace("-", "_")
    return snake.endswith(_SECRET_WORDS)


def resolve(
    secret: Secret,
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    timeout_seconds: float = COMMAND_SECONDS,
) -> SecretValue:
    """Fetch a secret.

    Args:
        secret: The reference.
        folder: Where relative files and commands start: the configuration file's folder. None is the current folder.
        environment: Read instead of the process's own.
        timeout_seconds: How long a command may take.

    Raises:
        ConfigError: It cannot be had. Names the reference, never the content.
    """
    variables = os.environ if environment is None else environment
    start = folder or Path()
    if secret.file is not None:
        value = _read(secret, start / secret.file)
    elif secret.env is not None:
        value = variables.get(secret.env, "")
    elif secret.command is not None:
        value = _run(secret, secret.command, start, timeout_seconds)
    elif secret.keyring is not None:
        value = _ask_keyring(secret, secret.keyring)
    else:
        value = _read(secret, _credentials(secret, variables) / str(secret.credential))
    if not value:
        raise _failed(secret, "is not set" if secret.env is not None else "is empty")
    return SecretValue(value)


def _failed(secret: Secret, reason: str) -> ConfigError:
    return ConfigError(Problem(message=f"the secret {secret} {reason}"))


# What fails below is raised `from None`: the causes carry what was read or printed.


def _text(secret: Secret, content: bytes) -> str:
    try:
        return re.sub(r"\r?\n\Z", "", content.decode("utf-8"))
    except UnicodeDecodeError:
        raise _failed(secret, "is not UTF-8 text") from None


def _read(secret: Secret, path: Path) -> str:
    try:
        return _text(secret, path.read_bytes())
    except OSError as error:
        raise _failed(secret, f"cannot be read: {error.strerror}") from None


def _credentials(secret: Secret, variables: Mapping[str, str]) -> Path:
    folder = variables.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise _failed(secret, "is only there when systemd starts syncd, with LoadCredential= in the unit")
    return Path(folder)


def _run(secret: Secret, command: tuple[str, ...], folder: Path, timeout_seconds: float) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - the configuration's owner says what to run; there is no shell
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=timeout_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _failed(secret, f"took longer than {timeout_seconds:g} seconds") from None
    except OSError as error:
        raise _failed(secret, f"cannot be run: {error.strerror}") from None
    if done.returncode:
        raise _failed(secret, f"ended with status {done.returncode}; run it by hand to see why")
    return _text(secret, done.stdout)


def _ask_keyring(secret: Secret, address: str) -> str:
    try:
        keyring = importlib.import_module("keyring")
        errors = importlib.import_module("keyring.errors")
    except ImportError:
        raise _failed(secret, "needs the package keyring: pip install keyring") from None
    service, _, user = address.rpartition("/")
    try:
        value = keyring.get_password(service, user)
    except errors.KeyringError as error:
        raise _failed(secret, f"cannot be had from the keyring ({type(error).__name__})") from None
    if value is None:
        raise _failed(secret, "is not in the keyring")
    return str(value)
