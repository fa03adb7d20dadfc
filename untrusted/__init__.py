"""Parse text, numbers and structures from outside into clean, bounded values.

Images, registries, CNI plugins, files of the node and clients send data of unknown quality. This package turns it into
values that the rest of the program can rely on: strings that can be encoded, numbers that fit, objects whose fields
have the requested types. It may import only the standard library; it must never do input or output.
"""

from untrusted.document import DocumentError, Object, parse_object, parse_objects, parse_yaml_object
from untrusted.shape import read_shape
from untrusted.text import LONGEST_NAME, REPLACEMENT, decode_utf8, encodable, escaped, shorten, without_middle

__all__ = [
    "LONGEST_NAME",
    "REPLACEMENT",
    "DocumentError",
    "Object",
    "decode_utf8",
    "encodable",
    "escaped",
    "parse_object",
    "parse_objects",
    "parse_yaml_object",
    "read_shape",
    "shorten",
    "without_middle",
]
