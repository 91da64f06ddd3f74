"""The steps of docs/operating.md, as an operator types them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from config import postgres

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_a_dump_restores_with_its_rows_and_its_rights():
    guide = (ROOT / "docs" / "operating.md").read_text()
    steps = [line for block in re.findall(r"```sh\n(.*?)```", guide, re.S) for line in block.splitlines()]
    dump, *restore = [step for step in steps if "with_database" in step and "tar" not in step]
    data_dir = Path("/tmp") / f"ts-backup-{os.getpid()}"
    data_dir.mkdir(mode=0o755)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("DATABASE", "DJANGO"))}
    env["DATA_DIR"] = str(data_dir)

    def run(line: str) -> str:
        line = line.replace(".venv/bin/python manage.py", f"{sys.executable} {ROOT / 'manage.py'}")
        done = subprocess.run(line, shell=True, cwd=data_dir, env=env, capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout

    def facts() -> str:
        may = "has_table_privilege('touchstone_app', 'payments_entry', 'UPDATE')"
        may += ", has_schema_privilege('touchstone_app', 'pgmq', 'USAGE')"
        select = f"SELECT (SELECT count(*) FROM users_user), {may}"
        return run(f'.venv/bin/python manage.py with_database psql -tAc "{select}"')

    try:
        with postgres.running(data_dir, durable=False):  # each step joins it, which is faster than one start for each
            run(".venv/bin/python manage.py migrate --verbosity 0")
            run(".venv/bin/python manage.py create_user a@example.org --role admin --password a-long-password-9")
            before = facts()
            for step in [dump, *restore]:
                run(step)
            assert facts() == before
        assert before == "1|f|t\n"
    finally:
        postgres.Cluster.at(data_dir).forget()
        shutil.rmtree(data_dir)
