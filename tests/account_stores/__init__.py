"""Account stores, each tested with the real package whose accounts it reads."""
