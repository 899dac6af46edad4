"""Named entities in texts of any length, with character offsets."""
