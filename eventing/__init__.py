"""Events: what they are (pure), how S3's notifications become them, how a Broker delivers them."""
