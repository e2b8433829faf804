"""Which parts of a piece of code can run, where the adapter behind each port is known beforehand.

    if chosen.store == "firestore":      # counts only in bundles made for Firestore
        from shared.adapters.store_firestore import FirestoreStore

Every condition that says anything else may be true or false, so both of its branches count.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence

Choices = Mapping[str, str]
"""The adapter that is chosen for each port, by the names of the settings: store, blobs, …"""


def alive(node: ast.AST, choices: Choices) -> Iterator[ast.AST]:
    """Yields `node` and all that is below it and can run."""
    yield node
    match node:
        case ast.If() | ast.IfExp():
            yield from alive(node.test, choices)
            for branch in _branches(node, choices):
                yield from _block(branch, choices)
        case ast.Match():
            yield from alive(node.subject, choices)
            for case in _cases(node, choices):
                yield from alive(case, choices)
        case _:
            for _, value in ast.iter_fields(node):
                yield from _block(value if isinstance(value, list) else [value], choices)


def truth(test: ast.expr, choices: Choices) -> bool | None:
    """Returns what a condition comes to under these choices; None where they do not tell."""
    match test:
        case ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"):
            return False
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            inner = truth(operand, choices)
            return None if inner is None else not inner
        case ast.BoolOp(op=op, values=values):
            decisive = isinstance(op, ast.Or)
            parts = [truth(value, choices) for value in values]
            if decisive in parts:
                return decisive
            return None if None in parts else not decisive
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _comparison(_chosen(left, choices), op, _texts(right))
        case _:
            return None


def _comparison(value: str | None, op: ast.cmpop, texts: Sequence[str] | None) -> bool | None:
    if value is None or texts is None:
        return None
    match op:
        case ast.Eq() | ast.In():
            return value in texts
        case ast.NotEq() | ast.NotIn():
            return value not in texts
        case _:
            return None


def _chosen(expression: ast.expr, choices: Choices) -> str | None:
    return choices.get(expression.attr) if isinstance(expression, ast.Attribute) else None


def _texts(expression: ast.expr) -> list[str] | None:
    match expression:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
            texts = [part.value for part in parts if isinstance(part, ast.Constant)]
            return [str(text) for text in texts] if len(texts) == len(parts) else None
        case _:
            return None


def _branches(node: ast.If | ast.IfExp, choices: Choices) -> list[list[ast.AST]]:
    """Returns the branches that can run."""
    known = truth(node.test, choices)
    parts = ((node.body, False), (node.orelse, True))
    return [
        [*part] if isinstance(part, list) else [part]
        for part, excluded in parts
        if known is not excluded
    ]


def _cases(node: ast.Match, choices: Choices) -> list[ast.match_case]:
    """Returns the cases that can run."""
    value, found = _chosen(node.subject, choices), []
    for case in node.cases:
        fits = None if value is None or case.guard else _fits(case.pattern, value)
        if fits is not False:
            found.append(case)
        if fits:
            break
    return found


def _fits(pattern: ast.pattern, value: str) -> bool | None:
    match pattern:
        case ast.MatchValue(value=ast.Constant(value=text)):
            return bool(text == value)
        case ast.MatchOr(patterns=patterns):
            parts = [_fits(one, value) for one in patterns]
            return True if True in parts else None if None in parts else False
        case ast.MatchAs(pattern=None):
            return True
        case _:
            return None


def _block(nodes: Sequence[object], choices: Choices) -> Iterator[ast.AST]:
    for node in nodes:
        if isinstance(node, ast.AST):
            yield from alive(node, choices)
            if _leaves(node, choices):
                return


def _leaves(node: ast.AST, choices: Choices) -> bool:
    """Tells whether what stands after a statement is never reached."""
    match node:
        case ast.Return() | ast.Raise() | ast.Continue() | ast.Break():
            return True
        case ast.If():
            return all(_ends(branch, choices) for branch in _branches(node, choices))
        case ast.Match() if _chosen(node.subject, choices) is not None:
            cases = _cases(node, choices)
            last = _fits(cases[-1].pattern, _chosen(node.subject, choices) or "") if cases else None
            return bool(last) and all(_ends(case.body, choices) for case in cases)
        case _:
            return False


def _ends(block: Sequence[ast.AST], choices: Choices) -> bool:
    return any(_leaves(node, choices) for node in block)
