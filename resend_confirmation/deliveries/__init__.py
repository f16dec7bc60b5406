"""The outbox: deliveries, the states that they go through, and who holds each."""
