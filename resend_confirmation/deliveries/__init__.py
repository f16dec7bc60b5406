"""The outbox: deliveries from their insertion to their end. Nothing here sends."""
