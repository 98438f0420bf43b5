"""What consumers will buy: models of purchase histories on arrays. No SQL, no HTTP.

All times are in weeks, and a purchase is a day with at least one order: what the papers call a transaction.
"""
