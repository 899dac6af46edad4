"""The webhook for object stores that push their notifications; each becomes events at the sink."""
