"""Each vendor's envelopes as JSON schemas, written out: what any answer at all must fit into."""

from typing import Any

STRING: dict[str, Any] = {"type": "string", "minLength": 1}
INTEGER: dict[str, Any] = {"type": "integer"}


def exactly(optional: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    """An object of these keys and no other."""
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


XSOLLA_ERROR = exactly(
    error=exactly(
        ("details",),
        code=STRING,
        description=STRING,
        details={
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"type": "array", "items": STRING, "minItems": 1},
        },
    )
)

#: Dialect to the body of success and the body of errors; None means no body at all.
ENVELOPES: dict[str, tuple[dict[str, Any] | None, dict[str, Any]]] = {
    "xsolla-oauth2": (None, XSOLLA_ERROR),
    "xsolla-jwt": (None, XSOLLA_ERROR),
    "quiva": (
        exactly(data=exactly(message=STRING)),
        exactly(("message", "retry_after"), error=STRING, message=STRING, retry_after=INTEGER),
    ),
    "backendless": (None, exactly(message=STRING, code=INTEGER)),
    "strapi": (
        exactly(email=STRING, sent={"const": True}),
        exactly(code=INTEGER, message=STRING, statusCode=INTEGER, error=STRING),
    ),
    "strapi-v4": (
        exactly(email=STRING, sent={"const": True}),
        exactly(
            data={"type": "null"},
            error=exactly(
                ("details",),
                status=INTEGER,
                name=STRING,
                message=STRING,
                details=exactly(
                    ("errors",),
                    errors={
                        "type": "array",
                        "minItems": 1,
                        "items": exactly(
                            ("value",),
                            path={"type": "array", "items": STRING},
                            message=STRING,
                            name={"const": "ValidationError"},
                            value={},
                        ),
                    },
                ),
            ),
        ),
    ),
}
