"""Secrets: references of five forms, and values that never show themselves."""

from __future__ import annotations

import subprocess
import sys
import time
import traceback

import msgspec
import pytest

from syncd.errors import ConfigError
from syncd.secrets import Secret, SecretValue, looks_secret, resolve

PYTHON = sys.executable


def printing(text: str) -> Secret:
    return Secret(command=(PYTHON, "-c", f"import sys; sys.stdout.write({text!r})"))


def failure(secret: Secret, **arguments) -> str:
    with pytest.raises(ConfigError) as caught:
        resolve(secret, **arguments)
    return str(caught.value)


def test_a_value_shows_itself_only_when_asked():
    """Neither str, repr nor a list that holds it shows a secret; `reveal` does."""
    value = SecretValue("hunter2")

    assert value.reveal() == "hunter2"
    assert "hunter2" not in f"{value} {value!s} {value!r} {[value]}"


@pytest.mark.parametrize(
    ("written", "expected"),
    [("hunter2\n", "hunter2"), ("hunter2\r\n", "hunter2"), ("hunter2", "hunter2"), (" a \n\n", " a \n"), ("é\n", "é")],
)
def test_a_file_gives_its_content_without_one_line_end(tmp_path, written, expected):
    """One line end is stripped from a file, nothing else; a relative path starts at the configuration's folder."""
    (tmp_path / "secret").write_bytes(written.encode())

    assert resolve(Secret(file="secret"), folder=tmp_path).reveal() == expected
    assert resolve(Secret(file=str(tmp_path / "secret"))).reveal() == expected


def test_an_environment_variable_is_read_when_asked(monkeypatch):
    """The process's environment is read at the time of the call, unless another is given."""
    monkeypatch.setenv("SYNCD_TEST_SECRET", "hunter2")

    assert resolve(Secret(env="SYNCD_TEST_SECRET")).reveal() == "hunter2"
    assert resolve(Secret(env="SYNCD_TEST_SECRET"), environment={"SYNCD_TEST_SECRET": "x"}).reveal() == "x"
    assert failure(Secret(env="SYNCD_TEST_SECRET"), environment={}) == (
        'the secret { env = "SYNCD_TEST_SECRET" } is not set'
    )


def test_a_systemd_credential_is_read_from_its_directory(tmp_path):
    """A credential is a file in $CREDENTIALS_DIRECTORY; without one the message says who sets it."""
    (tmp_path / "siebel").write_text("hunter2\n")

    assert resolve(Secret(credential="siebel"), environment={"CREDENTIALS_DIRECTORY": str(tmp_path)}).reveal() == (
        "hunter2"
    )
    assert "LoadCredential=" in failure(Secret(credential="siebel"), environment={})


def test_a_command_gives_what_it_prints():
    """A command's output is the secret, without one line end, and nothing of it goes through a shell."""
    assert resolve(printing("hunter2\n")).reveal() == "hunter2"
    assert resolve(Secret(command=(PYTHON, "-c", "import sys; print(sys.argv[1])", "$HOME;`id`"))).reveal() == (
        "$HOME;`id`"
    )


def test_a_command_that_fails_is_named_without_its_arguments_or_output(capfd):
    """Of a failing command the message gives program and status; its output goes nowhere."""
    program = "import sys; print('hunter2'); print('hunter2', file=sys.stderr); sys.exit(3)"
    message = failure(Secret(command=(PYTHON, "-c", program)))

    assert message == f'the secret {{ command = ["{PYTHON}", ...] }} ended with status 3; run it by hand to see why'
    assert capfd.readouterr() == ("", "")


def test_a_command_that_hangs_is_stopped():
    """A command gets a limited time."""
    started = time.monotonic()
    message = failure(Secret(command=(PYTHON, "-c", "import time; time.sleep(60)")), timeout_seconds=0.2)

    assert "took longer than 0.2 seconds" in message
    assert time.monotonic() - started < 30


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        (Secret(file="missing"), 'the secret { file = "missing" } cannot be read: No such file or directory'),
        (Secret(file="empty"), 'the secret { file = "empty" } is empty'),
        (Secret(file="."), 'the secret { file = "." } cannot be read: Is a directory'),
        (Secret(file="latin1"), 'the secret { file = "latin1" } is not UTF-8 text'),
        (Secret(command=("no-such-program-of-syncd",)), "cannot be run: No such file or directory"),
    ],
)
def test_what_cannot_be_had_is_named_by_its_reference(tmp_path, secret, reason):
    """Every failure names the reference and the reason."""
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "latin1").write_bytes(b"caf\xe9-hunter2")

    assert reason in failure(secret, folder=tmp_path)


def test_no_traceback_carries_content(tmp_path):
    """Not even the chain of causes of an error holds what was read."""
    (tmp_path / "latin1").write_bytes(b"\xe9hunter2")
    with pytest.raises(ConfigError) as caught:
        resolve(Secret(file="latin1"), folder=tmp_path)

    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_the_keyring_is_asked_for_service_and_user(tmp_path, monkeypatch):
    """A keyring reference is split at its last slash, so that a service may be an address."""
    package = tmp_path / "keyring"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from keyring.errors import KeyringError\n"
        "def get_password(service, user):\n"
        "    if service == 'locked':\n"
        "        raise KeyringError('hunter2')\n"
        "    return None if user == 'nobody' else f'{service}|{user}'\n"
    )
    (package / "errors.py").write_text("class KeyringError(Exception): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "keyring", raising=False)
    monkeypatch.delitem(sys.modules, "keyring.errors", raising=False)

    assert resolve(Secret(keyring="https://crm.example.com/x/svc")).reveal() == "https://crm.example.com/x|svc"
    assert "is not in the keyring" in failure(Secret(keyring="crm/nobody"))
    assert failure(Secret(keyring="locked/svc")) == (
        'the secret { keyring = "locked/svc" } cannot be had from the keyring (KeyringError)'
    )
    for name in ("keyring", "keyring.errors"):
        sys.modules.pop(name, None)


def test_a_missing_keyring_package_is_named():
    """Without the package the message says how to get it; it is only imported when asked for."""
    script = (
        "import sys; sys.modules['keyring'] = None\n"
        "from syncd.secrets import Secret, resolve\n"
        "try:\n    resolve(Secret(keyring='crm/svc'))\n"
        "except Exception as error:\n    print(error)\n"
    )
    done = subprocess.run([PYTHON, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout == 'the secret { keyring = "crm/svc" } needs the package keyring: pip install keyring\n'


@pytest.mark.parametrize(
    "reference",
    [
        {},
        {"env": "A", "file": "b"},
        {"env": ""},
        {"command": []},
        {"command": [""]},
        {"command": "pass show crm"},
        {"keyring": "crm"},
        {"keyring": "/svc"},
        {"credential": "../other"},
        {"vault": "x"},
        {"env": 3},
    ],
)
def test_a_reference_holds_exactly_one_form(reference):
    """Anything but exactly one well-formed form is refused."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(reference, Secret)


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "token",
        "secret",
        "api_key",
        "private_key",
        "client_secret",
        "clientSecret",
        "accessToken",
        "X-Api-Key",
        "Authorization",
        "db_password",
        "PASSWORD",
        "apikey",
        "sslpassword",
    ],
)
def test_names_that_look_secret(key):
    """Keys are recognised by their last word, in any spelling."""
    assert looks_secret(key)


@pytest.mark.parametrize(
    "key", ["token_url", "token_field", "username", "path", "secretary", "password_policy", "keys"]
)
def test_names_that_do_not_look_secret(key):
    """Keys that only speak about secrets hold none."""
    assert not looks_secret(key)
