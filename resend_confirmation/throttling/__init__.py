"""The throttle: how many requests the networks of a caller may make. It knows no vendor."""
