"""Reading a rule's text past its faults: panic mode over the tables of the same grammar.

A token is fed only where it fits, so at a fault the stack still holds all that was read. The stack
is then cut back to where the innermost condition began (a rule's place inside the nearest
parentheses, or a test's in a where), the text is skipped up to the next ``and``, ``or``, ``)`` or
``,`` of that depth, and a hole takes the condition's place. Parentheses that the text leaves open
are closed at its end; a ``)`` or ``,`` that closes or parts nothing is skipped with what follows.

Every step consumes text or closes a parenthesis, and looks at the top of the stack alone: the time
is O(length).
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, cast

from lark import Token

from headcount_server.core.rules import messages
from headcount_server.core.rules.parser import grammar
from headcount_server.core.rules.piece import BadTokenError, Piece
from headcount_server.core.rules.tree import Nobody, Number, Rule
from headcount_server.errors import Violation

FAULTS_MAX = 100  # told of one text; each costs a look at the whole of it
HOLE: Rule = Nobody()  # stands, by identity, where a condition was left out
NO_WEIGHT = Number(Decimal(0))  # the same for the weight of a term
END = "$END"

_SYNC = re.compile(
    r"""  "(?:\\.|[^"\\])*(?:"|\\?\Z)                         # a string, closed or not
        | \#[^\n]*
        | (?<![\w$])matches\s+(?:exactly\s+)?/(?:\\.|[^/\\])*/
        | [(),]
        | (?<![\w$])(?:and|or)(?!\w)""",
    re.DOTALL | re.VERBOSE | re.IGNORECASE,
)


class Recovery:
    """The parser's stack while a text is read, and the faults found so far.

    Attributes:
        faults: in the order of the text, at most FAULTS_MAX.
        states: the parser's states, one more than values, the present one last; not modified.
        values: what was read: tokens, pieces, and lists of these; not modified.
    """

    def __init__(self, text: str) -> None:
        parser = cast(Any, grammar().parse_interactive(text))
        self.faults: list[Violation] = []
        self._text = text
        self._parser: Any = parser.parser_state
        self._lexers: Any = parser.lexer_thread.lexer.lexers
        self._source: Any = parser.lexer_thread.state.text
        self._table: dict[int, dict[str, tuple[Any, Any]]] = self._parser.parse_conf.states
        self._at = 0
        self._before = ""
        self._told = -1
        self.states: list[int] = self._parser.state_stack
        self.values: list[Any] = self._parser.value_stack

    def read(self) -> None:
        """Read to the end of the text, but don't end the rule there."""
        while (token := self._token()).type != END:
            self._take(token)

    def finish(self) -> Rule:
        """Read the whole text; the rule, with HOLE wherever a condition was left out."""
        while True:
            token = self._token()
            piece = self._take(token)
            if piece is not None:
                return piece.value

    def accepted(self) -> frozenset[str]:
        """The terminals that could stand next; END where the rule could end."""
        names = self._table[self.states[-1]]
        return frozenset(name for name in names if name.isupper() and self.takes(name))

    def takes(self, terminal: str) -> bool:
        """Whether a terminal could stand next. The stack is only looked at."""
        table, states = self._table, self.states
        end_state = self._parser.parse_conf.end_state
        depth, above = len(states), cast("list[int]", [])
        while True:
            found = table[above[-1] if above else states[depth - 1]].get(terminal)
            if found is None:
                return False
            reduced = found[1]
            if isinstance(reduced, int):
                return True
            size = len(reduced.expansion)
            below = max(size - len(above), 0)
            depth -= below
            del above[len(above) - (size - below) :]
            above.append(table[above[-1] if above else states[depth - 1]][reduced.origin.name][1])
            if terminal == END and above[-1] == end_state:
                return True

    def condition_start(self, below: int | None = None) -> tuple[int, int]:
        """Where the innermost condition that may go on begins.

        Args:
            below: look only at so many values, and only for a condition on subscribers.

        Returns:
            How many values lie below it, and how many of its own parentheses are open.
        """
        index, opened, closed = len(self.values) if below is None else below, 0, 0
        while (
            closed
            or not self._is_start(self.states[index])
            or (below is not None and self.is_test(index))
        ):
            index -= 1
            value = self.values[index]
            kind = value.type if isinstance(value, Token) else ""
            if kind == "RPAR":
                closed += 1
            elif kind == "LPAR" and closed:
                closed -= 1
            elif kind == "LPAR":
                opened += 1
        return index, opened

    def is_test(self, index: int) -> bool:
        """Whether a condition that begins above so many values is a test of a where."""
        return "wtest" in self._table[self.states[index]]

    def _token(self) -> Token:
        """The next token; of type END at the end, of type "" where none begins."""
        lexer = self._lexers[self.states[-1]]
        while self._at < len(self._text):
            found = lexer.match(self._source, self._at)
            if found is None:
                return Token("", "", self._at)
            value, kind = found
            end = self._at + len(value)
            if kind not in lexer.ignore_types:
                return Token(kind, value, self._at, end_pos=end)
            self._at = end
        return Token(END, "", self._at, end_pos=self._at)

    def _take(self, token: Token) -> Piece | None:
        """Feed a token or recover from it; the whole rule's piece if it ended the rule."""
        start = cast(int, token.start_pos)
        if self.takes(token.type):
            return self._feed(token)
        self._tell(token.type, start)
        is_complete = self.takes("OR")
        if is_complete and token.type == END:
            self._feed(Token("RPAR", ")", start, end_pos=start))
        elif is_complete and self._text.startswith((")", ","), start):
            self._at = self._sync(start + 1, 0)
        else:
            self._leave_out(start)
        return None

    def _feed(self, token: Token) -> Piece | None:
        try:
            piece = self._parser.feed_token(token, token.type == END)
        except BadTokenError as error:
            if len(self.faults) < FAULTS_MAX:
                self.faults.extend(messages.bad_token(self._text, error).violations)
            self._leave_out(cast(int, token.start_pos))
            return None
        self._at, self._before = cast(int, token.end_pos), token.type
        return piece

    def _tell(self, kind: str, start: int) -> None:
        if start == self._told or len(self.faults) == FAULTS_MAX:
            return
        self._told = start
        if kind == END and not self._before:
            error = messages.empty(self._text)
        else:
            error = messages.unexpected(self._text, start, self.accepted(), self._before)
        self.faults.extend(error.violations)

    def _leave_out(self, start: int) -> None:
        """Put a hole in place of the innermost condition, whose rest begins at ``start``."""
        is_pattern = self._text.startswith("/", start) and self.takes("REGEX")
        index, opened = self.condition_start()
        first = self.values[index] if index < len(self.values) else None
        begin = getattr(first, "start_pos", start)
        del self.states[index + 1 :]
        del self.values[index:]
        self._at = len(self._text) if is_pattern else self._sync(start, opened)
        if self._is_term(self.states[-1]):
            self._push("num", Piece(begin, begin, NO_WEIGHT))
            self._feed(Token("FOR", "for", begin, end_pos=self._at))
        symbol = "wtest" if self.is_test(len(self.values)) else "condition"
        self._push(symbol, Piece(begin, self._at, HOLE))
        self._before = symbol

    def _push(self, symbol: str, piece: Piece) -> None:
        self.states.append(self._table[self.states[-1]][symbol][1])
        self.values.append(piece)

    def _is_start(self, state: int) -> bool:
        symbols = self._table[state]
        return "condition" in symbols or "wtest" in symbols or self._is_term(state)

    def _is_term(self, state: int) -> bool:
        """Whether a term of a weighted sum may begin: a number, then ``for``."""
        number = self._table[state].get("num")
        return number is not None and "FOR" in self._table[number[1]]

    def _sync(self, start: int, opened: int) -> int:
        """The place of the next ``and``, ``or``, ``)`` or ``,`` of the depth, or the text's end.

        Of the parentheses ``opened`` before, which hold values and never rules, ``and`` and ``or``
        show that they were not closed.
        """
        depth = opened
        for found in _SYNC.finditer(self._text, start):
            word = found[0].lower()
            if word == "(":
                depth += 1
            elif word == ")" and depth:
                depth -= 1
                opened = min(opened, depth)
            elif (word in (")", ",") and not depth) or (word in ("and", "or") and depth == opened):
                return found.start()
        return len(self._text)
