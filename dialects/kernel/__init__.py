"""The kernel dialect: nests with schedules, and register tiles."""
