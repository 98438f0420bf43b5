"""Live readers of stores: each yields the platform's raw payloads, which its format turns into records."""
