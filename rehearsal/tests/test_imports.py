"""Every name that a Python file imports from another one of the project is there, also where only long runs look."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("", "glue-scripts", "glue-scripts/tests", "test/e2e", "test/bench/jobs")
"""Folders whose files are imported by their own names."""
SOURCES = ("glue-scripts", "rehearsal", "scripts", "test", "examples")


def defined(node: ast.AST) -> set[str]:
    """The names that a module has once it is imported, wherever outside of functions and classes they are bound."""
    names = set()
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(child.name)
            continue
        if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
            names.add(child.id)
        elif isinstance(child, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name.partition(".")[0] for alias in child.names}
        names |= defined(child)
    return names


def file_of(root: Path, module: str) -> Path | None:
    """The file or folder of a module of the project; None for anybody else's."""
    for place in PLACES:
        path = root / place / module.replace(".", "/")
        for found in (path.with_suffix(".py"), path / "__init__.py", path):
            if found.is_file() or (found == path and path.is_dir()):
                return found
    return None


def missing(root: Path) -> Iterator[str]:
    """What is imported and not there, with its place."""
    trees: dict[Path, ast.Module] = {}
    for source in (file for name in SOURCES for file in sorted((root / name).rglob("*.py"))):
        trees[source] = ast.parse(source.read_text(), str(source))
    for source, tree in trees.items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom) or node.level or not node.module:
                continue
            found = file_of(root, node.module)
            if found is None:
                continue
            names = defined(trees[found]) if found in trees else set()
            for alias in node.names:
                if alias.name not in names and file_of(root, f"{node.module}.{alias.name}") is None:
                    yield f"{source.relative_to(root)}:{node.lineno}: {node.module} has no {alias.name}"


def test_every_import_is_there() -> None:
    assert list(missing(ROOT)) == []


def test_one_that_is_not_there_is_found(tmp_path: Path) -> None:
    for name, text in {
        "glue-scripts/tests/lake.py": "class Lake:\n    pass\n",
        "glue-scripts/lakejobs/__init__.py": "",
        "glue-scripts/lakejobs/ledger.py": "if True:\n    LIMIT: int = 1\ndef f():\n    loads = 1\n"
        "from json import loads as read\n",
        "scripts/run.py": "from lake import Lake, column\nfrom lakejobs import ledger, other\n"
        "from lakejobs.ledger import LIMIT, read, loads\nfrom elsewhere import anything\n",
    }.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert list(missing(tmp_path)) == [
        "scripts/run.py:1: lake has no column",
        "scripts/run.py:2: lakejobs has no other",
        "scripts/run.py:3: lakejobs.ledger has no loads",
    ]
