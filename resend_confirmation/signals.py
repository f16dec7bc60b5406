"""Signals for hosts; none of them carries a token, a link or a request.

``confirmed``
    Sent inside the transaction that confirms, with ``sender`` the Confirmation model,
    ``confirmation`` and ``user``. An exception in a receiver rolls the confirmation back, and the
    recipient can press the button again. Use ``transaction.on_commit`` for effects outside the
    database. The signal is also sent if the host confirms the address itself and the package
    records it.
``confirmation_expired``
    Sent inside the transaction that withdraws a confirmation that was never made, before the
    account is deactivated or deleted, with ``sender`` the Confirmation model, ``confirmation``,
    ``user`` and ``action`` (an Expiry). An exception in a receiver rolls all of it back.
``ended``
    Sent for each resend request that was answered, with ``sender`` a dialect's view class,
    ``dialect`` (str), ``client`` (str, the client's name or an empty string) and ``ending`` (an
    Outcome or a Refusal). Quiet requests end as ``Outcome.SENT``.
``delivery_changed``
    Sent after each change of a delivery's state, including the first, with ``sender`` the
    Delivery model, ``delivery_id`` (int), ``state`` (DeliveryState) and ``reason`` (Reason).
    For the first state it is sent after the commit, in the request, so receivers should be quick.
    For later ones it is usually sent by the courier, or when a webhook arrives. If a state is
    written again, such as QUEUED after each attempt, the signal is sent again.
"""

from django.dispatch import Signal

confirmed = Signal()
confirmation_expired = Signal()
ended = Signal()
delivery_changed = Signal()
