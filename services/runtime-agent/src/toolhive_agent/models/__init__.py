"""Values that only the agent knows: frozen, without behaviour beyond reading themselves."""
