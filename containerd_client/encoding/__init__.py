"""Small pieces of the wire format: variable-length integers and field masks."""
