"""How right engines are: metrics, intervals over source groups, slices, and the tables and plots made of them."""
