"""The agent: makes one container engine run what is declared, and tells what it sees."""
