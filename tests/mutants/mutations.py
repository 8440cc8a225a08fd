"""Mutations: small changes at one place of a source file, each of which some test should notice."""

import ast
from collections.abc import Iterator
from copy import copy
from itertools import accumulate
from typing import Any

Mutation = tuple[int, int, str]
"""The bytes from the first to the second number, and the text that replaces them."""

SWAPS: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
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
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.FloorDiv,),
    ast.FloorDiv: (ast.Mult,),
    ast.Div: (ast.Mult,),
    ast.Mod: (ast.Mult,),
    ast.Pow: (ast.Mult,),
    ast.BitOr: (ast.BitAnd,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitXor: (ast.BitAnd,),
    ast.LShift: (ast.RShift,),
    ast.RShift: (ast.LShift,),
}
"""Operators, and those that replace them: the opposite, and of an order also its boundary."""

NOT_CALLED = {"cast", "TypeVar", "ParamSpec", "NewType", "dataclass", "dataclass_transform", "cache", "lru_cache"}
"""Calls about types, speed and memory."""
NOT_GIVEN = {"description", "help", "message", "summary", "title", "frozen", "slots", "strict"}
"""Keyword arguments with texts for people, or that check, like an `assert`, what cannot happen."""
NOT_FOLLOWED = {"annotation", "returns", "exc", "cause"}
"""Fields of nodes with type hints, and with errors, whose texts are for people."""


def mutations(source: str) -> Iterator[Mutation]:
    """All mutations of the places that matter."""
    lines = [0, *accumulate(len(line) for line in source.encode().splitlines(keepends=True))]
    for node in places(ast.parse(source)):
        changes = statement_changes if isinstance(node, ast.stmt) else expression_changes
        for place, text in changes(node):
            yield lines[place.lineno - 1] + place.col_offset, lines[place.end_lineno - 1] + place.end_col_offset, text


def places(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that matter, from the outside to the inside."""
    if matters(node):
        yield node
        for name, value in ast.iter_fields(node):
            if name not in NOT_FOLLOWED:
                for child in value if isinstance(value, list) else [value]:
                    if isinstance(child, ast.AST):
                        yield from places(child)


def matters(node: ast.AST) -> bool:
    """Whether behaviour depends on the node."""
    match node:
        case ast.Import() | ast.ImportFrom() | ast.Assert() | ast.JoinedStr() | ast.Expr(value=ast.Constant()):
            result = False
        case ast.Constant(value=float()):
            result = False  # a duration, chosen by experience
        case ast.Constant(value=(str() | bytes()) as text):
            result = len(text.split()) < 2  # of several words: prose, or SQL, which only a server can judge
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name)))):
            result = name not in {"log", "_log"}
        case ast.Call(func=ast.Name(id=name)):
            result = name not in NOT_CALLED
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.FunctionDef(name=name):
            result = name not in {"__all__", "__repr__", "__str__"}
        case ast.keyword(arg=name):
            result = name not in NOT_GIVEN
        case ast.BinOp(op=ast.BitOr()):
            result = not is_type(node)
        case _:
            result = True
    return result


def is_type(node: ast.expr) -> bool:
    """Whether this, or a side of this `|`, is a type: `None`, `str`, `Root.Event`, `list[int]`."""
    match node:
        case ast.BinOp(op=ast.BitOr()):
            return is_type(node.left) or is_type(node.right)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in {"str", "int", "bytes", "float", "bool"} or (name[:1].isupper() and not name.isupper())
    return isinstance(node, ast.Subscript) or (isinstance(node, ast.Constant) and node.value is None)


def expression_changes(node: Any) -> Iterator[tuple[Any, str]]:
    """What may become of an expression: the node, and the text that replaces it."""
    match node:
        case ast.Compare(ops=ops):
            for n, op in enumerate(ops):
                yield from ((node, written(node, ops=[*ops[:n], new(), *ops[n + 1 :]])) for new in SWAPS[type(op)])
        case ast.BinOp() | ast.BoolOp():
            yield from ((node, written(node, op=new())) for new in SWAPS.get(type(node.op), ()))
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield node, f"({ast.unparse(node.operand)})"
        case ast.IfExp():
            yield from negated(node.test)
        case ast.comprehension():
            yield from (change for test in node.ifs for change in negated(test))
        case ast.Constant(value=bool(value)):
            yield node, repr(not value)
        case ast.Constant(value=int(value)):
            yield node, repr(value + 1)
        case ast.Constant(value=str(text)):
            yield node, repr(text + "X")
        case ast.Constant(value=bytes(content)):
            yield node, repr(content + b"X")


def statement_changes(node: Any) -> Iterator[tuple[Any, str]]:
    """What may become of a statement: the node, and the text that replaces it."""
    match node:
        case ast.If():
            yield from negated(node.test)
        case ast.Return(value=ast.expr()) if not isinstance(node.value, ast.Constant):
            yield node, "return None"
        case ast.AugAssign():
            yield from ((node, written(node, op=new())) for new in SWAPS[type(node.op)])
            yield node, "pass"
        case ast.Break() | ast.Continue():
            yield node, "continue" if isinstance(node, ast.Break) else "break"
        case ast.Expr(value=ast.Yield() | ast.YieldFrom()):
            yield node, "yield from ()"  # still a generator
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]) | ast.Expr() | ast.Delete() | ast.Raise():
            yield node, "pass"


def negated(test: ast.expr) -> Iterator[tuple[Any, str]]:
    """A condition negated, unless that is a mutation of the condition itself."""
    if not isinstance(test, ast.Compare | ast.UnaryOp):
        yield test, f"(not ({ast.unparse(test)}))"


def written(node: Any, **fields: Any) -> str:
    """The text of the node with other fields."""
    other = copy(node)
    for name, value in fields.items():
        setattr(other, name, value)
    return ast.unparse(other)
