"""The dead letter sink: what could not be delivered is kept on disk and listed."""
