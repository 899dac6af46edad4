"""Keeps cold starts away from users: prepared model forms now, read-ahead and forecast on top."""
