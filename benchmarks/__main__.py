"""Benchmarks, each a table of ratios and exit code 1 where a limit is broken: python -m benchmarks [NAME [OPTIONS]]."""

import importlib
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if "def main(" in path.read_text() and path.stem[0] != "_")


def main() -> int:
    chosen, options = sys.argv[1:2], sys.argv[2:]
    if chosen and chosen[0] not in NAMES:
        print(f"There is no benchmark {chosen[0]!r}. Say one of: {', '.join(NAMES)}; or nothing, for all.")
        return 2
    code = 0
    for name in chosen or NAMES:
        print(f"== {name}", flush=True)
        module = importlib.import_module(f"benchmarks.{name}")
        sys.argv = [f"benchmarks {name}", *options]
        code |= module.main()
    return code


if __name__ == "__main__":
    sys.exit(main())
