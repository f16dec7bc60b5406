"""Printing on a terminal what others have typed."""


def printable(text: str) -> str:
    r"""Return ``text`` with each character that is not printed written out, such as ``\\x1b``.

    Control characters would act on the terminal, and line breaks would forge lines.
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
