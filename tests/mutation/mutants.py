"""
Mutants: one small change to a module, each of which a test must notice.

Not changed: annotations, decorators of classes, docstrings and texts for people (arguments of
gettext, of loggers and of `help_text`), since tests check what the code decides, not how it is
worded.
"""

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.BitXor: ast.BitAnd,
}
_NAMES = {
    "filter": "exclude",
    "exclude": "filter",
    "any": "all",
    "all": "any",
    "min": "max",
    "max": "min",
    "union": "intersection",
}
_TEXT_FUNCTIONS = {"_", "gettext", "gettext_lazy", "ngettext"}
_LOG_METHODS = {"debug", "info", "warning", "error", "exception"}
_TEXT_KEYWORDS = {"help_text", "verbose_name", "description"}
_SKIPPED_FIELDS = {"annotation", "returns", "type_comment", "ctx", "type_params"}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """
    A changed module.

    index: number of the mutant among all of the module. lines: first and last line of the changed
    expression or statement. function: name of the outermost function that contains it with its
    class, empty at the level of a module or class.
    """

    path: str
    index: int
    description: str
    lines: tuple[int, int]
    function: str
    original: ast.Module
    change: "_Change"

    @property
    def tree(self) -> ast.Module:
        """The syntax tree of the changed module."""
        return _applied(self.original, self.change)


@dataclass(frozen=True, slots=True)
class _Change:
    """Replacement of a node, given by the fields and list indexes that lead to it from the root."""

    steps: tuple[tuple[str, int | None], ...]
    replacement: ast.AST | None
    description: str


def mutants_of(source: str, *, path: str, only: tuple[str, ...] = ()) -> list[Mutant]:
    """Return the mutants of a module, in the order of its text. only: names of its functions."""
    tree = ast.parse(source)
    found = []
    for index, change in enumerate(_changes(tree, ())):
        node, function = _locate(tree, change.steps)
        if only and function.partition(".")[0] not in only:
            continue
        found.append(
            Mutant(
                path=path,
                index=index,
                description=change.description,
                lines=_lines(node),
                function=function,
                original=tree,
                change=change,
            )
        )
    return found


def mutant_of(path: Path, index: int) -> Mutant:
    """Return a mutant of a file by its index."""
    return mutants_of(path.read_text(), path=str(path))[index]


def _lines(node: ast.AST) -> tuple[int, int]:
    first = getattr(node, "lineno", 0)
    return first, getattr(node, "end_lineno", None) or first


def _locate(tree: ast.AST, steps: tuple[tuple[str, int | None], ...]) -> tuple[ast.AST, str]:
    """Return the node at the end of the steps, and the function that contains it."""
    node, names, function = tree, [], ""
    for name, index in steps:
        is_in_body = name == "body"
        if isinstance(node, ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, _FUNCTIONS) and is_in_body and not function:
            function = ".".join((*names, node.name))
        value = getattr(node, name)
        node = value if index is None else value[index]
    return node, function


def _applied(tree: ast.Module, change: _Change) -> ast.Module:
    changed = copy.deepcopy(tree)
    parent: ast.AST = changed
    for name, index in change.steps[:-1]:
        value = getattr(parent, name)
        parent = value if index is None else value[index]
    name, index = change.steps[-1]
    if index is None:
        setattr(parent, name, change.replacement)
    elif change.replacement is None:
        del getattr(parent, name)[index]
    else:
        getattr(parent, name)[index] = change.replacement
    return ast.fix_missing_locations(changed)


def _changes(node: ast.AST, steps: tuple[tuple[str, int | None], ...]) -> Iterator[_Change]:
    if _is_text(node):
        return
    if steps:
        for replacement, description in _replacements(node):
            if replacement is not None:
                ast.copy_location(replacement, node)
            yield _Change(steps, replacement, description)
    for name, value in ast.iter_fields(node):
        if name in _SKIPPED_FIELDS or (name == "decorator_list" and isinstance(node, ast.ClassDef)):
            continue
        children = value if isinstance(value, list) else [value]
        for index, child in enumerate(children):
            if not isinstance(child, ast.AST) or _is_docstring(name, index, child):
                continue
            step = (name, index if isinstance(value, list) else None)
            if isinstance(child, ast.keyword) and child.arg not in _TEXT_KEYWORDS:
                yield _Change((*steps, step), None, f"without {child.arg or '**'}=")
            if name == "decorator_list" and isinstance(node, _FUNCTIONS):
                yield _Change((*steps, step), None, f"without @{ast.unparse(child)}")
                continue
            if name in ("test", "ifs"):
                yield from _negation(child, (*steps, step))
            yield from _changes(child, (*steps, step))


def _is_docstring(name: str, index: int, node: ast.AST) -> bool:
    return (
        name == "body"
        and isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and (index == 0 or isinstance(node.value.value, str))
    )


def _is_text(node: ast.AST) -> bool:
    """Return whether a node is a text for people, or an import."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return True
    if isinstance(node, ast.keyword):
        return node.arg in _TEXT_KEYWORDS
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Name):
            return node.func.id in _TEXT_FUNCTIONS
        return isinstance(node.func, ast.Attribute) and (
            node.func.attr in _LOG_METHODS and ast.unparse(node.func.value) in ("log", "logger")
        )
    return isinstance(node, ast.Expr) and _is_text(node.value)


def _negation(node: ast.AST, steps: tuple[tuple[str, int | None], ...]) -> Iterator[_Change]:
    """Yield the negation of a condition that no other change negates."""
    if isinstance(node, ast.expr) and not isinstance(node, ast.Compare | ast.BoolOp | ast.UnaryOp):
        negated = ast.copy_location(ast.UnaryOp(ast.Not(), copy.deepcopy(node)), node)
        yield _Change(steps, negated, f"not {ast.unparse(node)}")


def _replacements(node: ast.AST) -> Iterator[tuple[ast.AST | None, str]]:
    """Yield other nodes for a node, with what is changed."""
    yield from _statement_replacements(node)
    match node:
        case ast.Compare(ops=[operator, *_]):
            changed = copy.deepcopy(node)
            changed.ops[0] = _COMPARISONS[type(operator)]()
            yield changed, f"{ast.unparse(node)} -> {ast.unparse(changed)}"
        case ast.BoolOp():
            other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            changed_bool = ast.BoolOp(other, copy.deepcopy(node.values))
            yield changed_bool, f"{ast.unparse(node)} -> {ast.unparse(changed_bool)}"
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert()):
            yield copy.deepcopy(node.operand), f"{ast.unparse(node)} -> operand"
        case ast.BinOp() if type(node.op) in _OPERATORS:
            changed_binary = copy.deepcopy(node)
            changed_binary.op = _OPERATORS[type(node.op)]()
            yield changed_binary, f"{ast.unparse(node)} -> {ast.unparse(changed_binary)}"
        case ast.AugAssign() if type(node.op) in _OPERATORS:
            changed_assignment = copy.deepcopy(node)
            changed_assignment.op = _OPERATORS[type(node.op)]()
            yield changed_assignment, f"{ast.unparse(node)} -> {ast.unparse(changed_assignment)}"
        case ast.Constant(value=bool() as value):
            yield ast.Constant(not value), f"{value} -> {not value}"
        case ast.Constant(value=int() | float() as number):
            yield ast.Constant(number + 1), f"{number} -> {number + 1}"
        case ast.Constant(value=str() as text):
            yield ast.Constant(f"XX{text}XX"), f"{text!r} -> {f'XX{text}XX'!r}"
        case ast.Name(id=name) if name in _NAMES:
            yield ast.Name(_NAMES[name], node.ctx), f"{name} -> {_NAMES[name]}"
        case ast.Attribute(attr=name) if name in _NAMES:
            changed_attribute = copy.deepcopy(node)
            changed_attribute.attr = _NAMES[name]
            yield changed_attribute, f".{name} -> .{_NAMES[name]}"


def _statement_replacements(node: ast.AST) -> Iterator[tuple[ast.AST | None, str]]:
    match node:
        case ast.Return(value=ast.expr() as value) if ast.unparse(value) != "None":
            yield ast.Return(ast.Constant(None)), f"{ast.unparse(node)} -> return None"
        case ast.Assign(value=value) if ast.unparse(value) != "None":
            changed_value = copy.deepcopy(node)
            changed_value.value = ast.Constant(None)
            yield changed_value, f"{ast.unparse(node)} -> None"
        case ast.Raise() | ast.Expr(value=ast.Call()):
            yield ast.Pass(), f"without {ast.unparse(node)}"
