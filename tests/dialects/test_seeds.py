"""Each operation says what the vendor's own document says, but for what is listed here by hand.

``seeds/<dialect>.txt`` is the vendor's document as it was published. Where that is no OpenAPI
document, ``seeds/<dialect>.yaml`` writes its operation as one, in its words and with its silences.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from .deviations import DEVIATIONS, MOVED, UNDOCUMENTED

SEEDS = Path(__file__).with_name("seeds")
#: The vendor's base path in the example site.
BASES = {
    "backendless": "",
    "quiva": "",
    "strapi": "",
    "xsolla-jwt": "/api",
    "xsolla-oauth2": "/api",
}
TRANSCRIBED = sorted(path.stem for path in SEEDS.glob("*.yaml"))


def text_of(dialect: str) -> str:
    """Return the document that the vendor published."""
    return (SEEDS / f"{dialect}.txt").read_text(encoding="utf-8")


def seed_of(dialect: str) -> Any:
    """The vendor's document, read or written as an OpenAPI document."""
    if dialect in TRANSCRIBED:
        return yaml.safe_load((SEEDS / f"{dialect}.yaml").read_text(encoding="utf-8"))
    (block,) = re.findall(r"^````yaml [^\n]*\n(.*?)^````$", text_of(dialect), re.DOTALL | re.M)
    return yaml.safe_load(block)


def operations(document: Any) -> dict[tuple[str, str], Any]:
    """Every operation, by method and path."""
    return {
        (method, path): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }


def plain(node: Any, components: Any) -> Any:
    """``node`` with references followed and lists that are sets in order.

    A component's description is ours: it is a docstring. A schema that allows everything says
    nothing more than none.
    """
    if isinstance(node, list):
        return [plain(item, components) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        schema = dict(components[node["$ref"].rpartition("/")[2]])
        schema.pop("description", None)
        return plain(schema, components)
    found = {key: plain(value, components) for key, value in node.items()}
    if isinstance(found.get("required"), list):
        found["required"] = sorted(found["required"])
    if isinstance(found.get("parameters"), list):
        found["parameters"] = {f"{p.pop('in')} {p.pop('name')}": p for p in found["parameters"]}
    if found.get("additionalProperties") == {}:
        del found["additionalProperties"]
    return found


def differences(theirs: Any, ours: Any, place: str = "") -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Yield each difference between the two, with both values; None means absent."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in theirs | ours:
            yield from differences(theirs.get(key), ours.get(key), f"{place}/{key}")
    elif theirs != ours:
        yield place, (theirs, ours)


@pytest.mark.parametrize("dialect", BASES)
def test_operation_is_the_vendors(document, dialect):
    """Texts, parameters, schemas, examples and security: all that differs is listed, with why."""
    ((where, theirs),) = operations(seed_of(dialect)).items()
    method, path = where
    theirs = plain(theirs, {})
    for status, (other, _) in MOVED.get(dialect, {}).items():
        theirs["responses"][other] = theirs["responses"].pop(status)
    ours = plain(
        operations(document)[method, BASES[dialect] + path], document["components"]["schemas"]
    )
    listed = {place: (theirs, ours) for place, theirs, ours, _ in DEVIATIONS[dialect]}
    assert dict(differences(theirs, ours)) == listed


def test_every_deviation_has_a_reason():
    """Nothing differs without a word on why."""
    assert DEVIATIONS.keys() == BASES.keys()
    whys = [why for rows in DEVIATIONS.values() for *_, why in rows]
    whys += [why for statuses in MOVED.values() for _, why in statuses.values()]
    whys += UNDOCUMENTED.values()
    assert [why for why in whys if len(why.split()) < 4] == []


def test_every_operation_has_its_document(document):
    """An operation is compared, or it is listed why there is nothing to compare it with."""
    compared = {
        (method, BASES[dialect] + path)
        for dialect in BASES
        for method, path in operations(seed_of(dialect))
    }
    assert compared | UNDOCUMENTED.keys() == operations(document).keys()
    assert not compared & UNDOCUMENTED.keys()


def words(node: Any) -> Iterator[str]:
    """Every text of a transcription, and every name of a field or of an example."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in {"properties", "examples"}:
                yield from value
            if key not in {"in", "type"}:
                yield from words(value)
    elif isinstance(node, list):
        for item in node:
            yield from words(item)
    elif isinstance(node, str):
        yield node


@pytest.mark.parametrize("dialect", TRANSCRIBED)
def test_transcription_has_the_vendors_words(dialect):
    """Every text, name and path of the transcription stands in the published document."""
    published = " ".join(text_of(dialect).split()).replace("<identity>", "{identity}")
    (((method, path), operation),) = operations(seed_of(dialect)).items()
    told = [path, method.upper(), *operation["responses"].keys() - {"default"}, *words(operation)]
    # An answer without a status in the published document is "default" here.
    if dialect == "backendless":
        told.remove("200")
    assert [text for text in told if text not in published] == []


def fields(schema: Any, prefix: str = "") -> Iterator[tuple[str, str, bool]]:
    """Every field of a schema, as the published pages list them: name, type, whether required."""
    for name, value in schema["properties"].items():
        yield prefix + name, value["type"], name in schema.get("required", [])
        if "properties" in value:
            yield from fields(value, f"{prefix}{name}.")


@pytest.mark.parametrize("dialect", ["xsolla-jwt", "xsolla-oauth2"])
def test_transcription_has_every_field(dialect):
    """Each parameter and each field of each body that the page lists is there, in its order."""
    bullet = re.compile(r"- `([\w.]+)` \((\w+)(, required)?\)")
    published = [
        (name, type_, bool(required)) for name, type_, required in bullet.findall(text_of(dialect))
    ]
    (operation,) = operations(seed_of(dialect)).values()
    bodies = [operation["requestBody"], *operation["responses"].values()]
    assert published == [
        *(
            (p["name"], p["schema"]["type"], p.get("required", False))
            for p in operation["parameters"]
        ),
        *(
            field
            for body in bodies
            if body
            for field in fields(body["content"]["application/json"]["schema"])
        ),
    ]


@pytest.mark.parametrize(
    ("dialect", "heading", "found"),
    [
        (
            "backendless",
            r"^(\d{4})$",
            lambda answers: answers["default"]["content"]["application/json"]["examples"],
        ),
        ("strapi", r"^### (\w+)$", lambda answers: answers),
        ("xsolla-jwt", r"## Response (\d{3})", lambda answers: answers),
        ("xsolla-oauth2", r"## Response (\d{3})", lambda answers: answers),
    ],
    ids=["backendless", "strapi", "xsolla-jwt", "xsolla-oauth2"],
)
def test_transcription_has_every_answer(dialect, heading, found):
    """Each status, or error code, that the page lists is there."""
    (operation,) = operations(seed_of(dialect)).values()
    published = re.findall(heading, text_of(dialect), re.MULTILINE)
    assert sorted(published) == sorted(found(operation["responses"]))
