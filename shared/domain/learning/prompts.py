"""What kind of prompt this is, and how hard: needs no training and no model.

Runs on every routing decision, so it costs microseconds and reads at most HEAD + TAIL characters,
whatever the length. It looks for telling words, phrases and marks, each counted once, so that a
long text does not outvote its task. Where too few speak, the answer is an honest "other". English
only: a prompt in another language is "other" unless its marks (code, formulas) tell.
"""

import math
import re
from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

Pattern = Literal[
    "code",
    "math",
    "data",
    "factual",
    "reasoning",
    "summarization",
    "translation",
    "creative",
    "conversation",
    "other",
]
PATTERNS: tuple[Pattern, ...] = get_args(Pattern)

HEAD, TAIL = 2000, 500
"""How many characters are read at the start, where most tasks are stated, and at the end."""

ENOUGH = 2.0
"""Least score for a pattern to be named."""

_OPENING_WORDS = 6
"""A task's verb stands among the first words; there it counts double."""

_TELLING: Mapping[Pattern, Mapping[float, str]] = {
    "code": {
        3: "python javascript typescript java kotlin golang rust sql regex html css bash traceback "
        "dataframe stacktrace pytest npm dockerfile segfault nullpointerexception async await",
        2: "code function bug debug refactor compile compiler algorithm api script program "
        "programming implement unittest recursion repository backend frontend exception git docker "
        "kubernetes codebase endpoint runtime subarray linked_list leetcode",
        1: "class method array string loop variable library server thread pointer cache query test "
        "tests return returns stack input output website file files error",
    },
    "math": {
        3: "equation equations integral derivative polynomial theorem algebra geometry logarithm "
        "modulo arithmetic inequality eigenvalue trigonometry factorial hypotenuse",
        2: "calculate compute solve sum probability triangle angle integer integers prime matrix "
        "vector percent ratio fraction radius perimeter remainder divisible formula multiply "
        "divided squared root rectangle",
        1: "area number numbers total add times equal equals value product difference many much "
        "per cost costs half twice speed distance degree function sqrt",
    },
    "data": {
        3: "csv spreadsheet dataset pandas dataframes json yaml xml pivot",
        2: "table column columns rows row excel extract parse chart statistics records median "
        "regression correlation analytics histogram entities",
        1: "data average mean trend trends sort list format fields analyze visualize values report "
        "evaluate following",
    },
    "factual": {
        2: "who when where capital define definition invented discovered founded population "
        "president located born died",
        1: "what which year name country city history called refers known following term war law "
        "century meaning describe",
    },
    "reasoning": {
        3: "riddle puzzle logic logical deduce fallacy hypothesis syllogism",
        2: "why explain compare argue infer prove reason reasoning implications consequences "
        "evaluate tradeoffs assess justify premise conclusion therefore strategy cause",
        1: "how if analyze because should effect effects impact decide differ differences could "
        "would imagine suppose true false must",
    },
    "summarization": {
        4: "summarize summarise summarization tldr",
        3: "summary condense recap gist",
        1: "shorten brief briefly main points article passage bullet overview",
    },
    "translation": {
        4: "translate translation translating",
        1: "french spanish german italian portuguese chinese japanese korean russian arabic hindi "
        "dutch polish turkish english language",
    },
    "creative": {
        3: "poem haiku limerick lyrics screenplay sonnet fanfiction slogan tagline",
        2: "story novel fictional fiction creative compose imagine character rhyme tale blog song "
        "essay joke roleplay pretend persona brainstorm",
        1: "write draft describe engaging vivid funny romantic scene paragraph post email letter "
        "dialogue role speech title",
    },
    "conversation": {
        3: "hi hello hey thanks bye goodbye greetings howdy",
        2: "thank lol chat haha",
        1: "feel feeling you your myself im today weather friend love sad happy morning night",
    },
}

_TELLING_PHRASES: Mapping[Pattern, tuple[float, str]] = {
    "code": (4, "```|#include|();|=> {|</div|select * from|stack trace|pull request"),
    "math": (3, "how many|how much|\\frac|\\int|\\sum|\u222b|\u2211|\u221a|\u2264|\u2265"),
    "data": (3, "following table|in the format|as json|group by|key-value"),
    "factual": (2, "what is|what are|what was|who is|who was|which of the following"),
    "reasoning": (3, "step by step|pros and cons|what would happen|advantages and disad"),
    "summarization": (3, "key points|key takeaways|main points|main idea|tl;dr|sum up"),
    "translation": (3, "to english|to french|to spanish|to german|to chinese|to japanese"),
    "creative": (3, "write a short|write a story|act as|the role of|blog post|once upon"),
    "conversation": (4, "how are you|what's up|good morning|good evening|nice to meet"),
}

_CODE_MARK = re.compile(
    r"^[ \t]*(?:(?:def|fn|func|function) \w+ ?\(|class \w+(?: ?[({]|:$)|from [\w.]+ import "
    r"|import [\w.]+;?$|(?:const|let|var) \w+ ?=|public (?:static|class|void) )",
    re.MULTILINE,
)
_MATH_MARK = re.compile(
    r"[\dxyzn](?<![a-z][xyzn])[a-z]?(?: ?[+*^=<>\u00d7\u00f7] ?| [-/] )\(?[\dxyzn(](?![a-z])"
)
_OPERATOR = re.compile("[-+*/^=<>\u00d7\u00f7]")
"""Every mark of mathematics has one; most texts have none, and this is found out sooner."""

_WORD = re.compile(r"[a-z_]+")

_Votes = tuple[tuple[int, float], ...]


def _word_votes() -> dict[str, _Votes]:
    """Returns what each telling word says: (place of a pattern, points)."""
    votes: dict[str, _Votes] = {}
    for place, name in enumerate(PATTERNS[:-1]):
        for points, words in _TELLING[name].items():
            for word in words.split():
                votes[word] = (*votes.get(word, ()), (place, points))
    return votes


_VOTES = _word_votes()
_LONG = 4
_Phrases = tuple[tuple[str, int, float], ...]


def _rarest(words: list[str]) -> str:
    """Returns a long word, rather not the last one, which a text may go on with ("requests")."""
    inner = max(words[:-1] or words, key=len)
    return next((word for word in (inner, words[-1]) if len(word) >= _LONG), inner)


def _phrase_index() -> tuple[dict[str, _Phrases], _Phrases]:
    """Returns the phrases by a word that a text with them has, and those without such a word.

    Most texts have few of these words, and so few phrases need to be looked for.
    """
    by_word: dict[str, _Phrases] = {}
    wordless: _Phrases = ()
    for name, (points, phrases) in _TELLING_PHRASES.items():
        for phrase in phrases.split("|"):
            found = (phrase, PATTERNS.index(name), points)
            words = _WORD.findall(phrase)
            if words:
                word = _rarest(words)
                by_word[word] = (*by_word.get(word, ()), found)
            else:
                wordless = (*wordless, found)
    return by_word, wordless


_PHRASES_BY_WORD, _WORDLESS = _phrase_index()
_WORDLESS_ASCII = tuple(one for one in _WORDLESS if one[0].isascii())
_CODE, _MATH = PATTERNS.index("code"), PATTERNS.index("math")
_MARK_POINTS = 3.0


class Reading(NamedTuple):
    """A prompt as it is read: its beginning and end in small letters, and their words in order."""

    prompt: str
    text: str
    words: list[str]


def read(prompt: str) -> Reading:
    """Returns what is read of a prompt: HEAD + TAIL characters at most."""
    text = prompt if len(prompt) <= HEAD + TAIL else f"{prompt[:HEAD]}\n{prompt[-TAIL:]}"
    text = text.lower()
    return Reading(prompt, text, _WORD.findall(text))


def classify(prompt: str) -> tuple[Pattern, float]:
    """Returns the pattern of a prompt and its complexity, 0 (trivial) to 1 (hard).

    Cost is bounded: HEAD + TAIL characters are read, the rest is only counted.
    """
    return classify_read(read(prompt))


def classify_read(reading: Reading) -> tuple[Pattern, float]:
    """Returns what `classify` does, for a prompt that was read already."""
    prompt, text, words = reading
    scores = _scores(text, words)
    top = max(scores)
    pattern = PATTERNS[scores.index(top)] if top >= ENOUGH else "other"
    return pattern, _complexity(prompt, text, words, pattern)


def complexity_of(reading: Reading, pattern: str) -> float:
    """Returns the complexity of a prompt that was found to be of a pattern in another way."""
    return _complexity(reading.prompt, reading.text, reading.words, pattern)


def _scores(text: str, words: list[str]) -> list[float]:
    scores = [0.0] * (len(PATTERNS) - 1)
    seen = set(words)
    telling = _VOTES.keys() & seen
    opening = telling.intersection(words[:_OPENING_WORDS])
    for word in (*telling, *opening):
        for place, points in _VOTES[word]:
            scores[place] += points
    for phrase, place, points in _WORDLESS_ASCII if text.isascii() else _WORDLESS:
        if phrase in text:
            scores[place] += points
    for word in _PHRASES_BY_WORD.keys() & seen:
        for phrase, place, points in _PHRASES_BY_WORD[word]:
            if phrase in text:
                scores[place] += points
    if _CODE_MARK.search(text):
        scores[_CODE] += _MARK_POINTS
    if _OPERATOR.search(text) and _MATH_MARK.search(text):
        scores[_MATH] += _MARK_POINTS
    return scores


_DEMANDING = frozenset(
    (
        "must should exactly least most each every except only both unless ensure without compare "
        "contrast prove derive justify optimize optimise analyze evaluate design explain why steps "
        "constraints assume given if then therefore tradeoffs implications consider"
    ).split(" ")
)
_BASE: Mapping[str, float] = {
    "code": 0.25,
    "math": 0.25,
    "reasoning": 0.3,
    "data": 0.2,
    "conversation": 0.0,
    "translation": 0.1,
}
_FULL_LENGTH, _FULL_DEMANDS, _SHORT_WORDS = 2000.0, 8.0, 5.0
"""Characters, different demanding words, and characters a word (with what follows it)."""


def _complexity(prompt: str, text: str, words: list[str], pattern: str) -> float:
    """Weighs task, length, demands, length of words and number of questions: a rule of thumb."""
    if not words:
        return 0.0 if not text.strip() else 0.2
    length = math.sqrt(min(1.0, len(prompt) / _FULL_LENGTH))
    demands = min(1.0, len(_DEMANDING.intersection(words)) / _FULL_DEMANDS)
    long_words = min(1.0, max(0.0, len(text) / len(words) - _SHORT_WORDS) / _SHORT_WORDS)
    questions = min(1.0, text.count("?") / 4)
    score = (
        _BASE.get(pattern, 0.15)
        + 0.3 * length
        + 0.25 * demands
        + 0.15 * long_words
        + 0.05 * questions
    )
    return round(min(1.0, score), 3)
