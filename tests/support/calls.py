"""Which function of the project names which other, read from its source: what a page or an endpoint leads to."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
APPS = ("core", "lifecycle", "marketplace", "mturk", "payments", "quality", "staff", "users", "workers_app")
Graph = dict[str, set[str]]


def graph() -> Graph:
    """Dotted name of each function, method (`module.Class.method`), class and constant -> dotted names that it uses.

    The `work` of an operation is used by whatever uses its module: it is begun here and done by the sweep.
    """
    files = {_name(path): path for app in APPS for path in sorted((ROOT / app).rglob("*.py"))}
    found: Graph = {}
    for module, path in files.items():
        if ".migrations." not in module:
            found |= _module(module, ast.parse(path.read_text()), files.keys())
    workers = {name.removesuffix(".work") for name in found if name.endswith(".work")}
    for names in found.values():
        names |= {f"{module}.work" for module in workers & {name.rpartition(".")[0] for name in names}}
    return found


def reached(calls: Graph, start: Iterable[str], within: str = "") -> set[str]:
    """All that is used from `start` on; with `within`, only what such a part of the name has is followed further."""
    seen: set[str] = set()
    todo = list(start)
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            if within in name:
                todo += calls.get(name, ())
    return seen


def _name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _module(module: str, tree: ast.Module, modules: Iterable[str]) -> Graph:
    imported = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    local = {name for node in tree.body for name in _named(node)}

    def names(node: ast.AST) -> Iterator[str]:
        for one in ast.walk(node):
            if isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name):
                if imported.get(one.value.id) in modules:
                    yield f"{imported[one.value.id]}.{one.attr}"
            elif isinstance(one, ast.Name):
                if one.id in imported:
                    yield imported[one.id]
                elif one.id in local:
                    yield f"{module}.{one.id}"

    found: Graph = {}
    for node in tree.body:
        for name in _named(node):
            found.setdefault(f"{module}.{name}", set()).update(names(node))
        if isinstance(node, ast.ClassDef):
            for method in node.body:
                if isinstance(method, ast.FunctionDef):
                    found[f"{module}.{node.name}.{method.name}"] = set(names(method))
    return found


def _named(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        yield from (target.id for target in targets if isinstance(target, ast.Name))
