"""memory_rule(): one rule in one file."""

def memory_rule(name, deps = []):
    """The rule in NAME.cc. It registers itself, so it is known wherever it is linked.

    Args:
      name: of the file, and by convention of the rule in configs.
      deps: what NAME.cc includes beyond the rule's bases, the registry and the ops.
    """
    native.cc_library(
        name = name,
        srcs = [name + ".cc"],
        alwayslink = True,
        deps = [
            "//core",
            "//memory_rules:rule",
            "//ops:broadcast",
            "//ops:elementwise",
            "//ops:layout",
            "//ops:linalg",
            "//ops:newton_schulz",
            "//ops:norm",
            "//ops:reduce",
        ] + deps,
    )
