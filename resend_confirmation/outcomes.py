"""Closed vocabularies: the endings of a request, and the states of rows."""

import enum

from django.db import models
from django.utils.translation import gettext_lazy as _


class Outcome(enum.Enum):
    """The engine's result for an identity."""

    SENT = "sent"
    UNKNOWN = "unknown"
    CONFIRMED = "confirmed"
    BLOCKED = "blocked"
    COOLING_DOWN = "cooling_down"


class Refusal(enum.Enum):
    """A reason for which the engine was not called, refused the request, or failed."""

    INVALID = "invalid"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    UNKNOWN_CLIENT = "unknown_client"
    NOT_ENABLED = "not_enabled"
    REDIRECT_REQUIRED = "redirect_required"
    REDIRECT_NOT_ALLOWED = "redirect_not_allowed"
    THROTTLED = "throttled"
    WRONG_METHOD = "wrong_method"
    FAILED = "failed"


Ending = Outcome | Refusal

ENDINGS: tuple[Ending, ...] = (*Outcome, *Refusal)

#: Endings that a quiet dialect may not tell apart from SENT. All of them depend on the account or
#: the client's configuration, none on the form of the request alone.
CONCEALED: frozenset[Ending] = frozenset(
    {
        Outcome.UNKNOWN,
        Outcome.CONFIRMED,
        Outcome.BLOCKED,
        Outcome.COOLING_DOWN,
        Refusal.NOT_ENABLED,
    }
)


class Standing(enum.Enum):
    """The state of an account and its address, according to the account store."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    BLOCKED = "blocked"


class Verdict(enum.Enum):
    """The validity of a link when it is opened or its button is pressed."""

    READY = "ready"
    CONFIRMED = "confirmed"
    ALREADY = "already"
    EXPIRED = "expired"
    DEAD = "dead"
    FOREIGN = "foreign"


class ConfirmationState(models.TextChoices):
    """The state of a confirmation. Pending is a separate state, never 'inactive'."""

    PENDING = "pending", _("pending")
    CONFIRMED = "confirmed", _("confirmed")
    WITHDRAWN = "withdrawn", _("withdrawn")


class Expiry(enum.Enum):
    """What is done with an account whose confirmation expires."""

    KEEP = "keep"
    DEACTIVATE = "deactivate"
    DELETE = "delete"


class Origin(models.IntegerChoices):
    """The cause of a delivery, the most urgent first."""

    SIGN_UP = 0, _("sign-up")
    REQUEST = 1, _("request")
    RUN = 2, _("bulk run")


class RunAction(models.TextChoices):
    """What a run does with its accounts."""

    RESEND = "resend", _("Send the message again")
    WITHDRAW = "withdraw", _("Withdraw")
    CONFIRM = "confirm", _("Confirm by hand")
    REOPEN = "reopen", _("Open again")


class Priority(models.IntegerChoices):
    """The order in which couriers take due deliveries: all of one priority before the next."""

    PEOPLE = 0
    RUN = 1


class DeliveryState(models.TextChoices):
    """The state of a delivery, from the request to its end."""

    ASKED = "asked", _("requested")
    QUEUED = "queued", _("queued")
    SENDING = "sending", _("sending")
    SENT = "sent", _("sent")
    DELIVERED = "delivered", _("delivered")
    BOUNCED = "bounced", _("bounced")
    COMPLAINED = "complained", _("reported as spam")
    IGNORED = "ignored", _("ignored")
    FAILED = "failed", _("failed")
    ABANDONED = "abandoned", _("abandoned")
    SUPPRESSED = "suppressed", _("suppressed")
    SUPERSEDED = "superseded", _("superseded")
    UNKNOWN = "unknown", _("unknown")


class Reason(models.TextChoices):
    """The reason for the state of a delivery; for staff only."""

    NONE = "", ""
    UNKNOWN = "unknown", _("no matching account")
    CONFIRMED = "confirmed", _("already confirmed")
    BLOCKED = "blocked", _("account deactivated or confirmation withdrawn")
    COOLING_DOWN = "cooling_down", _("requested again too soon")
    NOT_ENABLED = "not_enabled", _("the client does not require confirmation")
    CLIENT_GONE = "client_gone", _("the client was removed from the settings")
    INVALID = "invalid", _("not a valid address or user name")
    ADDRESS_CHANGED = "address_changed", _("the account's address changed")
    SUPPRESSED = "suppressed", _("the address is suppressed: it gets no more messages")
    UNSUPPORTED = "unsupported", _("the e-mail backend does not support this address")
    REFUSED = "refused", _("the mail server refused the recipient")
    CONFIGURATION = "configuration", _("the e-mail settings do not work; the queue is paused")
    BOUNCED = "bounced", _("the recipient's mail server returned the message (bounce)")
    COMPLAINED = "complained", _("the recipient reported the message as spam")
    NOT_ACCEPTED = "not_accepted", _("the mail server did not accept the message")
    CRASHED = "crashed", _("an unexpected error")
    INTERRUPTED = "interrupted", _("the courier was stopped while sending")
    DOUBTFUL = "doubtful", _("delivery is uncertain; the message may have been sent")
    SUPERSEDED = "superseded", _("replaced by a newer message to this account")
    TURN = "turn", _("waiting: another message to this address is sent first")
    CANCELLED = "cancelled", _("the bulk run was cancelled")
    TOO_LATE = "too_late", _("too late: half of the link's lifetime had passed")


#: The reasons for which a request is refused at once, if its answer reveals them.
TOLD = (
    Reason.UNKNOWN,
    Reason.CONFIRMED,
    Reason.BLOCKED,
    Reason.COOLING_DOWN,
    Reason.NOT_ENABLED,
)
