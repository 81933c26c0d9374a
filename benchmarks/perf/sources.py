"""Reads the Python files of the packages as syntax trees: imports, cycles, functions, comments, names."""

import ast
import io
import tokenize
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

DIRECTIVES = ("noqa", "type:", "pyright:", "pragma:", "fmt:", "ruff:", "!")
"""Starts of comments that are for tools."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Source(NamedTuple):
    """A Python file of one of the packages.

    Attributes:
        module: its dotted name.
        path: relative to the repository.
        text: its content.
        tree: its syntax tree.
        is_package: true for an `__init__.py`.
    """

    module: str
    path: str
    text: str
    tree: ast.Module
    is_package: bool

    @property
    def lines(self) -> int:
        """The number of lines of the file."""
        return len(self.text.splitlines())


class Import(NamedTuple):
    """One import of a module of ours by another.

    Attributes:
        importer: dotted name of the importing module.
        imported: dotted name of the imported module.
        location: file and line.
        at_load: true if loading the importer runs the import: not in a function, not for type checkers.
    """

    importer: str
    imported: str
    location: str
    at_load: bool


def read_sources(root: Path, packages: Iterable[str]) -> list[Source]:
    """Returns every Python file of the packages under a folder, sorted by path."""
    sources = []
    for path in sorted(one for package in packages for one in (root / package).rglob("*.py")):
        relative = path.relative_to(root)
        is_package = path.name == "__init__.py"
        parts = relative.parent.parts if is_package else relative.with_suffix("").parts
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text, str(relative))
        sources.append(Source(".".join(parts), relative.as_posix(), text, tree, is_package))
    return sources


def find_imports(sources: Sequence[Source]) -> Iterator[Import]:
    """Yields the imports between the modules of the packages.

    `from package import module` imports the module; `from module import name` imports the module.
    """
    modules = {source.module for source in sources}
    for source in sources:
        for node, at_load in _import_statements(source.tree, at_load=True):
            for target in _targets(node, source):
                imported = target if target in modules else target.rpartition(".")[0]
                if imported in modules and imported != source.module:
                    yield Import(source.module, imported, f"{source.path}:{node.lineno}", at_load)


def import_cycles(imports: Iterable[Import]) -> list[tuple[str, ...]]:
    """Returns the groups of modules that reach each other through imports at load time, sorted."""
    graph: dict[str, set[str]] = {}
    for one in imports:
        if one.at_load:
            graph.setdefault(one.importer, set()).add(one.imported)
    reach = {module: _reachable(graph, module) for module in graph}
    groups = {
        tuple(sorted(other for other in reach[module] if module in reach.get(other, ())))
        for module in graph
        if module in reach[module]
    }
    return sorted(groups)


def functions_of(sources: Iterable[Source]) -> list[Function]:
    """Returns every function: those of modules and classes, and those inside functions."""
    return [
        node
        for source in sources
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def function_lines(node: Function) -> int:
    """Returns the lines of a function from `def` to its end, without decorators."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def comment_share(sources: Iterable[Source]) -> float:
    """Returns the share of lines that carry a comment for people, alone or beside code."""
    lines = comments = 0
    for source in sources:
        lines += source.lines
        tokens = tokenize.generate_tokens(io.StringIO(source.text).readline)
        texts = (token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT)
        comments += sum(not text.startswith(DIRECTIVES) for text in texts)
    return comments / max(1, lines)


def homonyms(sources: Iterable[Source]) -> dict[str, list[str]]:
    """Returns the public classes and functions that several modules define, with those modules.

    Only definitions at module level count. A function that a click decorator turns into a command does not
    count, since its name is a verb of the command line.
    """
    modules: dict[str, set[str]] = {}
    for source in sources:
        for node in source.tree.body:
            if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if not node.name.startswith("_") and not any(map(_is_command, node.decorator_list)):
                modules.setdefault(node.name, set()).add(source.module)
    return {name: sorted(modules[name]) for name in sorted(modules) if len(modules[name]) > 1}


def _import_statements(node: ast.AST, *, at_load: bool) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, at_load
        else:
            runs = not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and not _for_types(child)
            yield from _import_statements(child, at_load=at_load and runs)


def _for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def _targets(node: ast.Import | ast.ImportFrom, source: Source) -> list[str]:
    """Returns the dotted names that a statement imports: modules, or names in modules."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    if node.level:
        parts = source.module.split(".")
        start = parts[: len(parts) - node.level + source.is_package]
        base = ".".join((*start, *filter(None, (node.module,))))
    return [f"{base}.{alias.name}" for alias in node.names]


def _reachable(graph: Mapping[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = list(graph.get(start, ()))
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting.extend(graph.get(module, ()))
    return seen


def _is_command(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(called, ast.Attribute) and called.attr in ("command", "group")
