"""No secret and no text of a CRM in any log line, whatever the systems answer and however much is logged.

The program runs as people run it, in a process of its own with `-vv`, and with everything that the libraries below it
would log switched on as well. Its sources are doubles of all systems, whose records hold words that stand nowhere else,
and which answer with pages that hold the request's headers, such words and a cookie.
"""

import base64
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from syncd.bootstrap import mapping_folders
from syncd.cli.rehearse import _write
from syncd.mapping import load_mapping
from syncd.rehearsal import Reply, serving
from syncd.rehearse import Stand, known_doubles, native_record, pipeline
from tests.store.runs import MSSP

PROGRAM = """
import logging, sys
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
from syncd.cli import main
main()
"""
"""What a program does that is debugged: every library logs all it can."""

OWNED = {name: f"Qx{name}Vz Müller" for name in ("name", "account", "owner", "territory")}
WORDS = [*(word.split()[0] for word in OWNED.values()), "QxpageVz", "QxcookieVz"]


def page(request) -> str:
    """What a helpful error page of a gateway holds."""
    told = "\n".join(f"{name}: {value}" for name, value in request.headers.items())
    return f'{{"error": "QxpageVz: customer {OWNED["account"]}", "message": "{told}"}}'


def refusing(status):
    def reply(request, _whole):
        secret = request.headers.get("authorization", "none")
        headers = {"Set-Cookie": "session=QxcookieVz", "X-Echo": secret, "WWW-Authenticate": f"Bearer error={secret}"}
        return Reply(status, page(request).encode(), {**headers, "Retry-After": "1"})

    return reply


def elsewhere(request, _whole):
    return Reply(302, b"", {"Location": f"https://elsewhere.invalid/QxpageVz?{request.headers.get('authorization')}"})


def as_a_page(request, _whole):
    return Reply(200, f"<html>{page(request)}</html>".encode(), content_type="text/html")


def cut(_request, whole):
    return Reply(200, whole.body[: len(whole.body) // 2], {"Set-Cookie": "session=QxcookieVz"})


ANSWERS = {
    "whole": lambda _request, whole: whole,
    **{str(status): refusing(status) for status in (400, 401, 403, 404, 429, 500)},
    "redirect": elsewhere,
    "web page": as_a_page,
    "cut": cut,
}


class Systems:
    """Doubles of all systems; from their third request on they answer as `answer` says."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.answer = ANSWERS["whole"]
        self.after = 2
        self.folder = folder
        self.asked: dict[str, int] = {}
        self.secrets: set[str] = set()
        records = [one | OWNED | {"name": f"{OWNED['name']} {one['id']}"} for one in pipeline(1)[:40]]
        made = []
        for name, kind in known_doubles().items():
            double = kind()
            mapping = load_mapping(double.mapping, MSSP, mapping_folders(Path.cwd()), Path.cwd())
            double.load([native_record(mapping, one) for one in records])
            self.secrets |= {*double.secrets.values()}
            server = stack.enter_context(serving(self._handler(name, double)))
            settings = {**double.settings, "patience_seconds": 1} | ({"page_size": 10} if name == "rest" else {})
            told = SimpleNamespace(mapping=double.mapping, settings=settings, secrets=double.secrets)
            made.append(Stand(name=name, url=server.url, double=told, truth={}))
        _write(folder, made)
        self.names = [one.name for one in made]

    def _handler(self, name, double):
        def handle(request):
            number = self.asked[name] = self.asked.get(name, 0) + 1
            whole = double.handle(request)
            return self.answer(request, whole) if number > self.after else whole

        return handle

    def syncd(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        self.asked.clear()
        (self.folder / "rehearsal.db").unlink(missing_ok=True)
        command = [sys.executable, "-c", PROGRAM, *arguments]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False, timeout=180)

    def forms(self) -> Iterator[str]:
        """Every secret in each form in which it could be written."""
        for secret in self.secrets:
            yield secret
            yield base64.b64encode(f"SYNCD:{secret}".encode()).decode()


@contextmanager
def systems(folder):
    with ExitStack() as stack:
        yield Systems(stack, folder)


@pytest.fixture(scope="module")
def crms(tmp_path_factory):
    with systems(tmp_path_factory.mktemp("quiet")) as made:
        yield made


def held(text: str, words) -> list[str]:
    return [word for word in words if word in text]


@pytest.mark.parametrize("answer", ANSWERS)
def test_check_logs_no_secret_and_no_text_of_a_crm(crms, answer):
    """Of a run only events, names of sources, counts and kinds of errors are logged; its report holds no secret."""
    crms.answer, crms.after = ANSWERS[answer], 2
    done = crms.syncd("check", "-vv", "--output-format", "json")

    assert done.returncode == (1 if answer == "whole" else 3)
    assert "run.finished" in done.stderr
    assert held(done.stderr, WORDS) == []
    assert "Traceback" not in done.stderr
    assert held(done.stdout + done.stderr, crms.forms()) == []
    assert held(done.stdout, ["QxpageVz", "QxcookieVz"]) == []
    stored = (crms.folder / "rehearsal.db").read_bytes().decode("latin-1")
    assert held(stored, [*crms.forms(), "QxpageVz", "QxcookieVz"]) == []
    assert (OWNED["name"].split()[0] in stored) is (answer == "whole")


@pytest.mark.parametrize("answer", ANSWERS)
def test_doctor_says_no_secret_and_no_text_of_a_record(crms, answer):
    """What `doctor` prints or logs holds names of the systems' fields and labels, nothing of what is in them."""
    crms.answer, crms.after = ANSWERS[answer], 1
    done = crms.syncd("doctor")

    assert done.returncode in (0, 3)
    assert "Traceback" not in done.stderr
    assert held(done.stdout + done.stderr, [*WORDS, *crms.forms()]) == []
