"""Signals for hosts; none of them carries a token, a link or a request.

``confirmed``
    Sent inside the transaction that confirms, with ``sender`` the Confirmation model,
    ``confirmation`` and ``user``. A receiver that raises undoes the confirmation and the
    person can press the button again; use ``transaction.on_commit`` for anything that leaves
    the database.
``ended``
    Sent for each ask that was answered, with ``sender`` a dialect's view class, ``dialect``
    (str), ``client`` (str, the client's name or an empty string) and ``ending`` (an Outcome
    or a Refusal). Quiet asks end as ``Outcome.SENT``.
``delivery_changed``
    Sent after a delivery's state was written, with ``sender`` the Delivery model,
    ``delivery_id`` (int), ``state`` (DeliveryState) and ``reason`` (Reason).
"""

from django.dispatch import Signal

confirmed = Signal()
ended = Signal()
delivery_changed = Signal()
