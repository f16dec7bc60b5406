"""Rules for the wording of docstrings, comments, messages and documentation."""

import ast
import re
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

#: The start of a sentence: at the beginning, or after a stop and a space.
START = r"(?:\A|(?<=[.!?:;]\s))"

RULES = {
    # "What a client sent.", "Where no way is named it goes ..."; questions are allowed.
    "clause": re.compile(
        START + r"(?:What(?:ever)?|Who(?:ever|m|se)?|Where(?:ver)?|Whence|Which|How|Whether)\b"
        r"(?![^.!?]*\?)"
    ),
    "nobody": re.compile(r"(?i)\b(?:no|any|some|every)body(?:'s)?\b"),
    "archaic": re.compile(
        r"(?i)\b(?:meanwhile|anew|beside|whoever|whomever|whatever|whichever|hence|thence|whence|"
        r"likewise|thereby|therein|thereof|as ever|in \w+(?:'s)? \w+'s stead|lest)\b"
    ),
    # "It is no timedelta", "that is none"; "is no longer" and the like are allowed.
    "is-no": re.compile(
        r"(?i)\b(?:is|are|was|were|be|been)\s+"
        r"(?:no\s+(?!(?:longer|more|such|matter|way|need)\b)\w+|none\b)"
    ),
    # "A row of ours", "an id of its own", "the vendor's own."
    "of-ours": re.compile(
        r"(?i)\bof\s+(?:ours|yours|theirs|(?:its|their|our|your|his|her|one's)\s+own)\b"
        r"|\w+'s\s+own(?=[.,;:)]|\Z)"
    ),
}

PROPERTIES = frozenset({"property", "cached_property", "setter"})

VERBS = frozenset(
    re.findall(
        r"\w+",
        """
    abandon abort accept access accumulate acquire act activate adapt add adjust admit advance
    aggregate allocate allow alter analyse analyze announce annotate answer append apply ask assert
    assign associate assume attach attempt authenticate authorize await backport base be become
    begin bind block break bring broadcast buffer build bypass cache calculate call cancel capture
    cast catch change check choose claim clamp classify clean clear clone close coerce collapse
    collect combine come commit compare compile complete compose compress compute concatenate
    configure confirm connect consider construct consume contact contain continue control convert
    copy correct count cover create cut deactivate debug decide declare decode decompress decorate
    decrypt decrement deduce default defer define delay delegate delete deliver demand deprecate
    derive describe deserialize destroy detach detect determine digest disable discard disconnect
    discover dispatch display do download drain draw drop dump emit emulate enable encapsulate
    encode encrypt end enforce enqueue ensure enter erase escape establish estimate evaluate
    examine exclude execute exit expand expect expire explain export expose extend extract fail
    fall feed fetch fill filter finalise finalize find finish fire fix flag flatten flush fold
    follow forbid force forget format forward free freeze gather generate get give go grant group
    guarantee guard guess hand handle hash have help hide hold hook identify ignore implement
    import include increment indicate infer inherit initialise initialize inject insert inspect
    install instantiate instruct intercept interpret introspect invalidate invoke issue iterate
    join keep kill label launch lay lead leave lengthen let lift limit link list listen load locate
    lock log look lookup loop lower maintain make manage map mark mask match measure merge migrate
    mimic mock modify monitor mount move mutate name negotiate normalise normalize note notify
    observe obtain offer open optimise optimize order output overload override overwrite pack
    parse pass patch pause perform permit persist pick place poll pop populate post prefer
    prepare prepend preserve press pretend prevent print prioritize process produce prohibit
    prompt propagate protect provide proxy prune publish pull purge push put query queue quit
    quote raise randomize read realize rebuild recalculate receive recognize record recover
    redact redirect reduce refer refresh refuse register reject release reload remember remove
    rename render renew reopen reorder repeat replace reply report represent request require
    reraise reschedule resend reserve reset resolve respond rest restore restrict resume retain
    retrieve retry return reuse reverse revert revoke rewrite rollback rotate round route run
    sanitize save scan schedule search see seed select send separate serialize serve set setup
    shorten show shut shutdown sign signal simulate skip sleep slice sort spawn specify spend
    split stamp start step stop store stream strip submit subscribe substitute sum support
    suppress swap switch sync synchronize take tear tell terminate test throw time toggle trace
    track transfer transform transition translate traverse treat trigger trim truncate try turn
    undo unify unlock unpack unquote unregister unset unwrap unwind update upgrade upload upsert
    use validate verify view visit wait wake walk warn watch withdraw work wrap write yield zip
""",
    )
)

_TOOL = re.compile(
    r"(?i)#\s*(?:noqa|type:|pragma|pylint|mypy|ruff|fmt:|isort|nosec|!|-\*-|pyright)"
)
_REASON = re.compile(r"#\s*(?:noqa|nosec)[^-]*-\s*(.+)")
_CODE = re.compile(r"``.*?``|`[^`]*`|https?://\S+|\"[^\"\n]*\"|(?<!\w)'[^'\n]*'(?!\w)")
_FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_PARAGRAPH = re.compile(r"(?:^(?![*|#\n]).+\n?)+|^[*|#].*", re.MULTILINE)

_Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Text:
    """A docstring, a block of comments, a string or a paragraph, with the line it starts on."""

    path: Path
    line: int
    words: str
    #: The docstring of a function, which opens with a verb; tests and properties state a fact.
    is_function: bool = False

    @property
    def faults(self) -> list[str]:
        """The words that break a rule; code, quotations and addresses do not count."""
        prose = _CODE.sub("X", self.words)
        found = {name: rule.search(prose) for name, rule in RULES.items()}
        return [f"{name}: {match[0]}" for name, match in found.items() if match]

    @property
    def opens_with_verb(self) -> bool:
        """Whether the first word that is not an adverb is an imperative, such as "re-raise"."""
        words = [re.sub(r"[^a-z'-]", "", word.lower()) for word in self.words.split()[:3]]
        while len(words) > 1 and (words[0].endswith("ly") or words[0] in {"also", "just"}):
            words = words[1:]
        word = words[0] if words else ""
        return bool({word, word.rpartition("-")[2], word.removeprefix("re")} & VERBS)

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {', '.join(self.faults) or self.words.splitlines()[0]}"


def _is_function(node: _Documented) -> bool:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    decorators = {ast.unparse(decorator).rsplit(".", 1)[-1] for decorator in node.decorator_list}
    return not node.name.startswith("test_") and not decorators & PROPERTIES


def docstrings(path: Path) -> Iterator[Text]:
    """Yield the docstring of the module and of each class and function."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, _Documented) and (words := ast.get_docstring(node)):
            yield Text(path, node.body[0].lineno, words, _is_function(node))


def comments(path: Path) -> Iterator[Text]:
    """Yield comments, adjoining lines as one text; those for tools count by their reason."""
    block: list[str] = []
    start = last = 0
    with tokenize.open(path) as file:
        tokens = [t for t in tokenize.generate_tokens(file.readline) if t.type == tokenize.COMMENT]
    for token in tokens:
        if _TOOL.match(token.string):
            reason = _REASON.match(token.string)
            words = reason[1] if reason else ""
        else:
            words = token.string.lstrip("#:! ").rstrip()
        row, whole = token.start[0], token.line.lstrip().startswith("#")
        if block and not (whole and row == last + 1):
            yield Text(path, start, " ".join(block))
            block = []
        if words:
            start = start if block else row
            block.append(words)
        last = row if whole else -1
    if block:
        yield Text(path, start, " ".join(block))


def strings(path: Path) -> Iterator[Text]:
    """Yield the string literals of three words or more that are not docstrings."""
    tree = ast.parse(path.read_bytes())
    skipped = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, _Documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            skipped.update(id(part) for part in node.values)
            parts = [p.value if isinstance(p, ast.Constant) else "X" for p in node.values]
            words = "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            words = "" if id(node) in skipped else node.value
        else:
            continue
        if len(words.split()) >= 3:
            yield Text(path, node.lineno, words)


def paragraphs(path: Path) -> Iterator[Text]:
    """Yield the paragraphs, list items and table rows of a Markdown file, without its code."""
    text = _FENCED.sub(lambda match: "\n" * match[0].count("\n"), path.read_text("utf-8"))
    for match in _PARAGRAPH.finditer(text):
        if len(match[0].split()) > 3:
            yield Text(path, text.count("\n", 0, match.start()) + 1, match[0])


def modules(folder: Path) -> list[Path]:
    """Return the Python files below ``folder`` that people wrote."""
    return [path for path in sorted(folder.rglob("*.py")) if "migrations" not in path.parts]


def texts(paths: Iterable[Path]) -> list[Text]:
    """Return the docstrings and comments of Python files."""
    return [text for path in paths for read in (docstrings, comments) for text in read(path)]
