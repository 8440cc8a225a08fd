"""Mutations: small changes at one place of a source file, each of which some test should notice."""

import ast
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

Change = tuple[ast.expr | ast.stmt, str]
"""What is replaced, and by which text."""

COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.BitXor: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}

LOGS = {"log", "_log"}
TYPING = {"cast", "TypeVar", "NewType"}
DECLARING = {"dataclass", "cache", "lru_cache", "property"}
"""Decorators whose arguments are about speed and memory, or which have none."""
PROSE = {"description", "help", "message", "summary", "title"}
CHECKS = {"frozen", "slots", "strict"}
"""Keyword arguments that check, like an `assert`, what cannot happen."""
SHOWN = {"__repr__", "__str__"}
HINTS = {"annotation", "returns", "exc", "cause"}
"""Fields of nodes with type hints, and with errors, whose texts are for people."""


@dataclass(frozen=True)
class Mutation:
    """A replacement of the bytes from `start` to `end`."""

    start: int
    end: int
    text: str


def mutations(source: str) -> Iterator[Mutation]:
    """All mutations of the places that matter."""
    tree = ast.parse(source)
    lines = [0, *accumulate(len(line) for line in source.encode().splitlines(keepends=True))]
    for node in places(tree):
        for target, text in changes(node):
            assert target.end_lineno is not None
            assert target.end_col_offset is not None
            start = lines[target.lineno - 1] + target.col_offset
            yield Mutation(start, lines[target.end_lineno - 1] + target.end_col_offset, text)


def places(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that matter, from the outside to the inside."""
    if matters(node):
        yield node
        for name, value in ast.iter_fields(node):
            if name not in HINTS:
                for child in value if isinstance(value, list) else [value]:
                    if isinstance(child, ast.AST):
                        yield from places(child)


def matters(node: ast.AST) -> bool:
    """Whether behaviour depends on the node: not texts for people, logs, type hints, nor checks of what cannot be."""
    match node:
        case ast.Import() | ast.ImportFrom() | ast.Assert() | ast.JoinedStr() | ast.Expr(value=ast.Constant()):
            result = False
        case ast.Assign(targets=[ast.Name(id=name)]):
            result = name != "__all__"
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name)))):
            result = name not in LOGS
        case ast.Call(func=ast.Name(id=name)):
            result = name not in TYPING | DECLARING
        case ast.keyword(arg=name):
            result = name not in PROSE | CHECKS
        case ast.FunctionDef(name=name):
            result = name not in SHOWN
        case ast.BinOp(op=ast.BitOr()):
            result = not any(is_type(side) for side in (node.left, node.right))
        case ast.Constant(value=float()):
            result = False  # a duration, chosen by experience
        case ast.Constant(value=str(text)):
            result = " " not in text  # with spaces: prose, or SQL, which only a server can judge
        case _:
            result = True
    return result


def is_type(node: ast.expr) -> bool:
    """Whether this side of a `|` is a type: `None`, `str`, `Root.Event`, `list[int]`."""
    match node:
        case ast.Constant(value=None) | ast.Subscript(value=ast.Name()):
            return True
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in {"str", "int", "bytes", "float", "bool"} or (name[:1].isupper() and not name.isupper())
        case ast.BinOp(op=ast.BitOr()):
            return is_type(node.left) or is_type(node.right)
    return False


def changes(node: ast.AST) -> Iterator[Change]:
    """What may become of one node."""
    operator = OPERATORS.get(type(node))
    if operator is not None:
        yield from operator(node)


def with_fields(node: Any, **fields: Any) -> Change:
    """The node with other fields."""
    other = copy(node)
    for name, value in fields.items():
        setattr(other, name, value)
    return node, ast.unparse(other)


def compared(node: ast.Compare) -> Iterator[Change]:
    """Other comparisons: the boundary moved, and the opposite."""
    for place, operator in enumerate(node.ops):
        for other in COMPARISONS[type(operator)]:
            yield with_fields(node, ops=[*node.ops[:place], other(), *node.ops[place + 1 :]])


def calculated(node: ast.BinOp | ast.AugAssign) -> Iterator[Change]:
    """Another arithmetic operator; a statement like `n += 1` may also be deleted."""
    if type(node.op) in ARITHMETIC:
        yield with_fields(node, op=ARITHMETIC[type(node.op)]())
    if isinstance(node, ast.AugAssign):
        yield node, "pass"


def joined(node: ast.BoolOp) -> Iterator[Change]:
    """`and` for `or`, `or` for `and`."""
    yield with_fields(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())


def unary(node: ast.UnaryOp) -> Iterator[Change]:
    """The operand alone."""
    if isinstance(node.op, ast.Not | ast.USub):
        yield node, f"({ast.unparse(node.operand)})"


def constant(node: ast.Constant) -> Iterator[Change]:
    """Another constant of the same type. The order matters: True is an int."""
    match node.value:
        case bool(value):
            yield node, repr(not value)
        case int(value):
            yield node, repr(value + 1)
        case str(text):
            yield node, repr(text + "X")
        case bytes(content):
            yield node, repr(content + b"X")


def condition(node: ast.If | ast.IfExp) -> Iterator[Change]:
    """The condition negated, unless that is a mutation of the condition itself."""
    if not isinstance(node.test, ast.Compare | ast.UnaryOp):
        yield node.test, f"(not ({ast.unparse(node.test)}))"


def filtered(node: ast.comprehension) -> Iterator[Change]:
    """The conditions of a comprehension, each negated."""
    for test in node.ifs:
        yield test, f"(not ({ast.unparse(test)}))"


def returned(node: ast.Return) -> Iterator[Change]:
    """Nothing returned."""
    if node.value is not None and not isinstance(node.value, ast.Constant):
        yield node, "return None"


def deleted(node: ast.stmt) -> Iterator[Change]:
    """The statement deleted. Without an assignment to a name the next use fails: too easy."""
    match node:
        case ast.Assign(targets=targets) if any(isinstance(target, ast.Name | ast.Tuple) for target in targets):
            return
        case ast.Expr(value=ast.Yield() | ast.YieldFrom()):
            yield node, "(yield)" if isinstance(node.value, ast.Yield) else "yield from ()"
        case _:
            yield node, "pass"


OPERATORS: dict[type[ast.AST], Callable[[Any], Iterator[Change]]] = {
    ast.Compare: compared,
    ast.BinOp: calculated,
    ast.AugAssign: calculated,
    ast.BoolOp: joined,
    ast.UnaryOp: unary,
    ast.Constant: constant,
    ast.If: condition,
    ast.IfExp: condition,
    ast.comprehension: filtered,
    ast.Return: returned,
    ast.Expr: deleted,
    ast.Assign: deleted,
    ast.Delete: deleted,
    ast.Raise: deleted,
    ast.Break: lambda node: iter([(node, "continue")]),
    ast.Continue: lambda node: iter([(node, "break")]),
}
