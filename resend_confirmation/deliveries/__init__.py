"""The outbox: rules for deliveries that the engine and the courier share."""
