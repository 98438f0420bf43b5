"""What can be wrong with a store, each as a sentence that says what to do."""


class StoreError(Exception):
    """The store did not give what was asked for; the message is for a person, and holds no secret."""


class StoreRefused(StoreError):
    """The store knows us not, or does not let us: asking again helps nobody until somebody changes something."""


class StoreUnavailable(StoreError):
    """The store does not answer, or answers with errors, though it was asked several times."""


class StoreConfused(StoreError):
    """The store answers what cannot be: the same page again, no data, something that is no such store."""
