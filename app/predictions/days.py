"""Which day is over."""

LAST_ENDED_DAY = """
    SELECT min((now() AT TIME ZONE coalesce(zone, 'UTC'))::date) - 1 FROM (
        SELECT NULL AS zone UNION ALL SELECT z.name FROM websites w JOIN pg_timezone_names z ON z.name = w.time_zone
    ) zones
"""
"""The last day that has ended on all websites; one whose time zone PostgreSQL does not know by name is in UTC."""
