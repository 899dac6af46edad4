"""notify: rollout events → one line of text at a Slack-compatible webhook."""
