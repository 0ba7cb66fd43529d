"""The one error that a user's mistake raises."""


class UserError(Exception):
    """Something in the user's data or configuration is wrong, and the user can mend it.

    The message is one sentence or two: what is wrong, where (site, table, column, key), what was
    found, and what to do. It carries counts, never identifiers, dates or rows of patients.
    """
