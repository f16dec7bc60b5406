"""Signals for hosts; none of them carries a token, a link or a request.

``confirmed``
    Sent inside the transaction that confirms, with ``sender`` the Confirmation model,
    ``confirmation`` and ``user``. A receiver that raises undoes the confirmation and the
    person can press the button again; use ``transaction.on_commit`` for anything that leaves
    the database. Sent as well when the host confirmed by itself and the package was told.
``ended``
    Sent for each ask that was answered, with ``sender`` a dialect's view class, ``dialect``
    (str), ``client`` (str, the client's name or an empty string) and ``ending`` (an Outcome
    or a Refusal). Quiet asks end as ``Outcome.SENT``.
``delivery_changed``
    Sent after each state of a delivery was written, the first one included, with ``sender``
    the Delivery model, ``delivery_id`` (int), ``state`` (DeliveryState) and ``reason`` (Reason).
    The first state is told after the commit, where the ask was made: in a request, that is,
    so be quick. Later ones are told where the courier works or a webhook arrives. A state that
    is written again, such as QUEUED after each try, is told again.
"""

from django.dispatch import Signal

confirmed = Signal()
ended = Signal()
delivery_changed = Signal()
