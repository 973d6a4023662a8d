"""From labels to a better bundle: what people said is trained on, measured on a frozen gate, kept as a candidate."""
