"""Account stores, each beside the real package whose accounts it reads."""
