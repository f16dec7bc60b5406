"""The vendors' answers, the message and its link on hosts that set things for themselves."""
