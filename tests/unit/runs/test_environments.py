"""Environments are built by the real uv, with a tiny package."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tiny_wheel import make_wheel

from mlbox.base.errors import Invalid, Unavailable
from mlbox.base.home import Home
from mlbox.base.settings import Settings
from mlbox.engine.runs.environments import Environment, Environments, requirement_name
from mlbox.engine.runs.executors.processes import start_time
from mlbox.engine.runs.interpreters import host_python, probe, satisfies
from mlbox.engine.runs.uv import find_uv, pip_configuration, uv_environment


class Sink:
    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text


@pytest.fixture
def environments(home: Home) -> Environments:
    home.create()
    return Environments(home, Settings())


def answer(python: Path, code: str) -> str:
    return subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_requirements_are_built_once_and_found_again(environments: Environments, home: Home) -> None:
    sink = Sink()
    built = environments.prepare(("six==1.17.0",), None, sink)
    assert not built.reused
    assert sink.text.startswith("building environment: six==1.17.0\n")
    assert "six==1.17.0" in sink.text.partition("\n")[2]
    assert answer(built.python, "import six, sys; print(six.__version__, sys.prefix)") == (
        f"1.17.0 {home.environments / built.key}"
    )
    quiet = Sink()
    again = Environments(home, Settings()).prepare((" six==1.17.0", "six==1.17.0"), None, quiet)
    assert (again.python, again.key, again.reused) == (built.python, built.key, True)
    assert quiet.text == ""
    assert environments.prepare(("six==1.16.0",), None, sink).key != built.key


def test_scripts_of_packages_work_from_their_final_place(environments: Environments) -> None:
    built = environments.prepare(("pygments",), None, Sink())
    done = subprocess.run([str(built.python.parent / "pygmentize"), "-V"], capture_output=True, text=True)
    assert done.stdout.startswith("Pygments version"), done.stderr


def test_two_runs_build_it_once(environments: Environments, home: Home) -> None:
    sinks, found = [Sink() for _ in range(4)], []
    ready = threading.Barrier(4)

    def prepare(sink: Sink) -> None:
        ready.wait()
        found.append(environments.prepare(("six",), None, sink))

    threads = [threading.Thread(target=prepare, args=(sink,)) for sink in sinks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({environment.python for environment in found}) == 1
    assert [environment.reused for environment in found].count(False) == 1
    assert sum("building environment" in sink.text for sink in sinks) == 1


@pytest.mark.parametrize(
    ("requirements", "message", "explanation"),
    [
        (("six", "mlbox-no-such-package-anywhere==9"), "requirement 'mlbox-no-such-package-anywhere==9' cannot", "was"),
        (("six==0.0.0.1",), "requirement 'six==0.0.0.1' cannot be installed", "six==0.0.0.1"),
        (("six>=1.17", "six<1.17"), "'six<1.17', 'six>=1.17' cannot be installed together", "unsatisfiable"),
        (("six ===",), "requirement 'six ===' cannot be installed", "six ==="),
    ],
)
def test_what_cannot_be_installed_is_named_with_the_explanation_of_uv(
    environments: Environments, home: Home, requirements: tuple[str, ...], message: str, explanation: str
) -> None:
    with pytest.raises(Invalid) as caught:
        environments.prepare(requirements, None, Sink())
    assert message in caught.value.message
    assert explanation in str(caught.value.hint)
    assert caught.value.details["requirements"] == sorted(requirements)
    assert [entry for entry in home.environments.iterdir() if entry.is_dir()] == []


def test_an_abandoned_build_leaves_nothing(environments: Environments, home: Home) -> None:
    class Cancelled(Exception):
        pass

    class Impatient:
        def write(self, text: str) -> None:
            if "building" not in text:
                raise Cancelled

    with pytest.raises(Cancelled):
        environments.prepare(("six",), None, Impatient())
    assert [entry for entry in home.environments.iterdir() if entry.is_dir()] == []
    assert not environments.prepare(("six",), None, Sink()).reused


def test_a_silent_build_can_be_abandoned(home: Home, tmp_path: Path) -> None:
    home.create()
    silent = tmp_path / "uv"
    silent.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 100\n")
    silent.chmod(0o755)

    class Cancelled(Exception):
        pass

    class Impatient:
        def write(self, text: str) -> None:
            if not text:
                raise Cancelled

    with pytest.raises(Cancelled):
        Environments(home, Settings(uv=str(silent))).prepare(("six",), None, Impatient())
    assert start_time(int((tmp_path / "pid").read_text())) is None


def test_what_a_killed_build_left_is_swept(environments: Environments, home: Home) -> None:
    built = environments.prepare(("six",), None, Sink())
    folder = home.environments / built.key
    half = home.environments / f".{built.key}.aaaa"
    os.rename(folder, half)
    (half / "mlbox-environment.json").unlink()
    assert not environments.prepare(("six",), None, Sink()).reused
    assert not half.exists()


def test_an_environment_whose_interpreter_has_gone_is_built_again(environments: Environments, home: Home) -> None:
    built = environments.prepare(("six",), None, Sink())
    built.python.unlink()
    built.python.symlink_to("/no/such/python")
    again = environments.prepare(("six",), None, Sink())
    assert not again.reused
    assert answer(again.python, "import six; print('works')") == "works"
    assert [entry.name for entry in home.environments.iterdir() if entry.is_dir()] == [built.key]


def test_other_interpreters(environments: Environments, other_python: Path) -> None:
    built = environments.prepare(("six",), str(other_python), Sink())
    version = other_python.parents[1].name
    assert answer(built.python, "import six, platform; print(platform.python_version())") == version
    host = environments.prepare((), str(other_python), Sink())
    assert host == Environment(other_python, "host", True)


def test_without_requirements_it_is_the_hosts_python(environments: Environments) -> None:
    found = environments.prepare((), None, Sink())
    assert (found.python, found.key, found.reused) == (host_python(), "host", True)
    assert found.has("json")
    assert not found.has("no_such_module")
    with pytest.raises(Invalid, match=r"asks for Python >=3\.99"):
        environments.prepare((), ">=3.99", Sink())


def test_a_python_that_is_missing_or_too_old_is_said(tmp_path: Path, home: Home) -> None:
    with pytest.raises(Invalid, match="is not there"):
        Environments(home, Settings(python="/no/python")).prepare((), None, Sink())
    with pytest.raises(Unavailable, match="uv of the settings"):
        home.create()
        Environments(home, Settings(uv=str(tmp_path / "uv"))).prepare(("six",), None, Sink())
    with pytest.raises(Invalid, match="not a Python that answers"):
        probe(Path("/bin/true"))


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (">=3.9", True), ("3.11", True), ("==3.11.*", True), ("~=3.10", True), ("~=3.11.2", True), ("<3.11", False),
        (">3.11.7", False), (">=3.9,<3.12", True), ("!=3.11.7", False), ("==3.11", True), ("nonsense", False),
        ("~=3.10.0", False), ("<=3.11.7", True),
    ],
)  # fmt: skip
def test_version_ranges(wanted: str, fits: bool) -> None:
    assert satisfies((3, 11, 7), wanted) is fits


def test_names_are_normalised() -> None:
    assert requirement_name("Scikit_Learn[all] >= 1; python_version > '3'") == "scikit-learn"
    assert requirement_name("./wheel.whl") == ""


def test_pip_settings_reach_uv(tmp_path: Path) -> None:
    config = tmp_path / "pip.conf"
    config.write_text(
        "[global]\nextra-index-url = https://a.example/simple\n  https://b.example/simple\ntimeout = 5\n"
        "[install]\nfind-links = /wheels\n  /more\nno-index = true\n"
    )
    found = pip_configuration({"PIP_CERT": "/ca.pem"}, [config])
    assert found["cert"] == "/ca.pem"
    assert "timeout" not in found
    environment = uv_environment({"PIP_CONFIG_FILE": str(config), "PIP_INDEX_URL": "https://c.example/simple"})
    assert environment["UV_DEFAULT_INDEX"] == "https://c.example/simple"
    assert environment["UV_INDEX"] == "https://a.example/simple https://b.example/simple"
    assert environment["UV_INDEX_STRATEGY"] == "unsafe-best-match"
    assert environment["UV_FIND_LINKS"] == "/wheels,/more"
    assert environment["UV_NO_INDEX"] == "1"


def test_what_uv_was_told_wins_over_pip() -> None:
    told = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "https://pip", "UV_INDEX_URL": "https://uv"}
    assert "UV_DEFAULT_INDEX" not in uv_environment(told)


@pytest.mark.parametrize(("there", "told"), [(True, "1"), (False, None)])
def test_uv_believes_whom_the_machine_believes(
    there: bool, told: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty store is none: uv would end with an error instead of taking its own list."""
    if there:
        (tmp_path / "company.pem").touch()
    paths = ssl.get_default_verify_paths()._replace(cafile=None, capath=str(tmp_path))
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)
    monkeypatch.setattr("sys.platform", "linux")
    assert uv_environment({}).get("UV_SYSTEM_CERTS") == told
    assert uv_environment({"UV_SYSTEM_CERTS": "0"})["UV_SYSTEM_CERTS"] == "0"


def test_a_wheelhouse_without_index_is_enough(
    environments: Environments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = make_wheel(tmp_path)
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    built = environments.prepare(("tiny-thing",), None, Sink())
    assert answer(built.python, "import tiny_thing; print(tiny_thing.ANSWER)") == "42"


def test_uv_is_found_where_it_is_bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = find_uv()
    assert real.is_file()
    (tmp_path / "uv").touch()
    monkeypatch.setattr("sys._MEIPASS", str(tmp_path), raising=False)
    assert find_uv() == tmp_path / "uv"
    assert find_uv(str(real)) == real


def test_the_frozen_executable_looks_for_a_python_on_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ourselves = tmp_path / "python3"  # as if somebody had named the executable so
    ourselves.symlink_to(os.path.realpath(sys.executable))
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\necho '[[2, 7, 18], []]'\n")
    old.chmod(0o755)
    monkeypatch.setattr("sys.frozen", True, raising=False)
    monkeypatch.setattr("sys.executable", str(ourselves))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="no Python"):
        host_python()
    good = tmp_path / "python3.12"
    good.write_text("#!/bin/sh\necho '[[3, 12, 1], []]'\n")
    good.chmod(0o755)
    assert host_python() == good
