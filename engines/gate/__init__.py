"""The gate: may these engines take the place of others? Compared on recorded inputs and on what is never recorded."""
