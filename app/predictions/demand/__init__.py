"""What will sell: units by product and week with intervals, reorder advice, and a shop's revenue by day."""
