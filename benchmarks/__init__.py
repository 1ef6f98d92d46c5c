"""What measures speed; tests do not time. Each file says in its docstring what and how."""
