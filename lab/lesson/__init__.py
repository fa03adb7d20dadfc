"""Walk through the exercises of docs/lab in a terminal, and check what each command prints."""
