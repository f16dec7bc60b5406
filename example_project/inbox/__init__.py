"""The inbox page: a mail backend that keeps messages, and views that show them."""
