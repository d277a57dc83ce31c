"""Quality rules: what a batch is measured by, what it should be, and what became of each rule."""
