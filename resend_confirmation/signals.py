"""Signals for hosts; none of them carries a token, a link or a request.

``confirmed``
    Sent inside the transaction that confirms, with ``sender`` the Confirmation model,
    ``confirmation`` and ``user``. A receiver that raises undoes the confirmation and the
    recipient can press the button again; use ``transaction.on_commit`` for anything that leaves
    the database. Also sent if the host confirmed by itself and told the package.
``ended``
    Sent for each resend request that was answered, with ``sender`` a dialect's view class,
    ``dialect`` (str), ``client`` (str, the client's name or an empty string) and ``ending`` (an
    Outcome or a Refusal). Quiet requests end as ``Outcome.SENT``.
``delivery_changed``
    Sent after each state of a delivery was written, including the first, with ``sender`` the
    Delivery model, ``delivery_id`` (int), ``state`` (DeliveryState) and ``reason`` (Reason).
    The first state is sent after the commit, in the request, so receivers should be quick. Later
    ones are sent by the courier, or when a webhook arrives. A state that is written again, such
    as QUEUED after each attempt, is sent again.
"""

from django.dispatch import Signal

confirmed = Signal()
ended = Signal()
delivery_changed = Signal()
