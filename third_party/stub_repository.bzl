"""Repositories made of a few lines each: they stand in for those Bazel would otherwise download."""

def _stub_repository_impl(ctx):
    for path, content in ctx.attr.files.items():
        ctx.file(path, content)

stub_repository = repository_rule(
    implementation = _stub_repository_impl,
    attrs = {"files": attr.string_dict(mandatory = True)},
)

def _native_rules(package, names):
    """A repository whose PACKAGE/defs.bzl re-exports rules built into Bazel."""
    return {
        "BUILD.bazel": "",
        package + "/BUILD.bazel": "",
        package + "/defs.bzl": "".join(["{n} = native.{n}\n".format(n = n) for n in names]),
    }

RULES_CC = _native_rules("cc", [
    "cc_binary",
    "cc_import",
    "cc_library",
    "cc_libc_top_alias",
    "cc_proto_library",
    "cc_test",
    "cc_toolchain",
    "cc_toolchain_alias",
    "cc_toolchain_suite",
    "fdo_prefetch_hints",
    "fdo_profile",
    "objc_import",
    "objc_library",
])

RULES_JAVA = _native_rules("java", [
    "java_binary",
    "java_import",
    "java_library",
    "java_plugin",
    "java_runtime",
    "java_test",
    "java_toolchain",
])

RULES_PROTO = _native_rules("proto", [
    "proto_lang_toolchain",
    "proto_library",
])

SKYLIB = {"BUILD.bazel": ""}

# `bazel test` resolves this label even when it collects no coverage.
COVERAGE_TOOLS = {
    "BUILD.bazel": "filegroup(name = 'coverage_report_generator', visibility = ['//visibility:public'])",
}
