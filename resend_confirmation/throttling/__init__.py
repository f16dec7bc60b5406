"""The throttle: limits on the requests of one network, independent of any vendor."""
