"""Commands (imperative), events (past tense), and the tables that say who sends what to whom."""
