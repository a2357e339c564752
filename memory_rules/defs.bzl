"""memory_rule(): one rule in one file. memory_rule_plugin(): rules as a shared object."""

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

def memory_rule_plugin(name, srcs, deps = [], **kwargs):
    """lib<NAME>.so: rules for a program that is built already, `palimpsest rules --plugin=lib<NAME>.so`.

    Args:
      name: of the plugin; the rules have names of their own.
      srcs: files with PALIMPSEST_MEMORY_RULE.
      deps: libraries linked into the plugin. The headers of core, ops and memory_rules are there
        without; what they declare is in the program, and must not be linked once more.
      **kwargs: of cc_binary.
    """
    native.cc_binary(
        name = "lib" + name + ".so",
        srcs = srcs,
        linkshared = True,
        linkstatic = True,
        deps = [str(Label("//memory_rules:plugin_headers"))] + deps,
        **kwargs
    )
    native.filegroup(
        name = name,
        srcs = ["lib" + name + ".so"],
        visibility = kwargs.get("visibility"),
    )

def _headers_only_impl(ctx):
    deps = cc_common.merge_cc_infos(cc_infos = [dep[CcInfo] for dep in ctx.attr.deps])
    headers = deps.compilation_context.headers
    return [
        CcInfo(compilation_context = deps.compilation_context),
        DefaultInfo(files = headers, runfiles = ctx.runfiles(transitive_files = headers)),
    ]

# The headers of libraries without the libraries.
headers_only = rule(
    implementation = _headers_only_impl,
    attrs = {"deps": attr.label_list(providers = [CcInfo])},
)
