"""The verbs: gather facts, ask a decision, apply it. They name no outside library."""
