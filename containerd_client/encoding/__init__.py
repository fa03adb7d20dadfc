"""Small pieces of the wire format: variable-length integers and field masks.

This room may import protobuf. It must never do input or output.
"""
