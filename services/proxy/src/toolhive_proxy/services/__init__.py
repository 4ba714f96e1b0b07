"""The proxy's verbs: gather facts, ask a decision, carry it out. No HTTP here, no outside library."""
