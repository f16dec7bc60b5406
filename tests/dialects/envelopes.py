"""JSON schemas that all bodies of a vendor's answers must match."""

from typing import Any

STRING: dict[str, Any] = {"type": "string", "minLength": 1}
INTEGER: dict[str, Any] = {"type": "integer"}


def exactly(optional: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    """Return the schema of an object with exactly these keys."""
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

#: The schemas of successes and errors for each dialect; None means no body.
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
