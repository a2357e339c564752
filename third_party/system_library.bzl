"""Libraries installed by the system's package manager, as Bazel targets."""

# The header carries the installed version into every compilation that uses the library, so that an
# upgrade of the package rebuilds what depends on it.
_TARGET = """
cc_library(
    name = "{name}",
    hdrs = ["{repository}_version.h"] + glob(["include/**"]),
    defines = {defines},
    includes = ["include"],
    linkopts = select({{
        "@//third_party:static_libraries": {static_linkopts},
        "//conditions:default": {linkopts},
    }}),
    visibility = ["//visibility:public"],
)
"""

# Some classes have another layout under a sanitizer, but the installed library is built without one;
# so the header that decides must not see that there is one.
_WITHOUT_SANITIZERS = """
#pragma GCC system_header
#pragma push_macro("__SANITIZE_ADDRESS__")
#pragma push_macro("__SANITIZE_THREAD__")
#pragma push_macro("__has_feature")
#undef __SANITIZE_ADDRESS__
#undef __SANITIZE_THREAD__
#ifndef __clang__  // Whose own headers need it.
#undef __has_feature
#endif
#include_next "{}"
#pragma pop_macro("__SANITIZE_ADDRESS__")
#pragma pop_macro("__SANITIZE_THREAD__")
#pragma pop_macro("__has_feature")
"""

def _fail_missing(ctx, what, apt):
    fail("""

{what} is not installed. On Debian or Ubuntu:

    apt-get install {apt}

or start Bazel as ./bazelw, which installs all that is needed.
""".format(what = what, apt = apt))

def _pkg_config(ctx, args):
    """The words pkg-config prints."""
    if not ctx.which("pkg-config"):
        _fail_missing(ctx, "pkg-config", "pkg-config")
    result = ctx.execute(["pkg-config"] + args)
    if result.return_code:
        _fail_missing(ctx, "{} (pkg-config {})".format(ctx.name, " ".join(args)), ctx.attr.apt)

    # Ubuntu 22.04's Abseil has a lone -Wl among its flags.
    return [word for word in result.stdout.replace("\n", " ").split(" ") if word not in ("", "-Wl")]

def _static(ctx, linkopts):
    """The same with archives, where there are; a shared library then only if something uses it."""
    result = []
    for option in linkopts:
        archive = "lib{}.a".format(option[2:])
        if not option.startswith("-l") or option in ["-latomic", "-ldl", "-lm", "-lpthread", "-lrt"]:
            result.append(option)
        elif "/" in ctx.execute(["gcc", "-print-file-name=" + archive]).stdout:
            result.append("-l:" + archive)
        else:
            result += ["-Wl,--push-state,--as-needed", option, "-Wl,--pop-state"]
    return result

def _static_runtime(ctx):
    """The option by which the toolchain's -lstdc++ finds an archive."""
    archive = ctx.execute(["gcc", "-print-file-name=libstdc++.a"]).stdout.strip()
    ctx.symlink(archive, "archives/libstdc++.a")
    return ["-Lexternal/{}/archives".format(ctx.name)]

def _system_library_impl(ctx):
    static_runtime = _static_runtime(ctx)
    build = ""
    version = ""
    for name, packages in ctx.attr.libraries.items():
        if packages.startswith("-"):
            linkopts = packages.split(" ")
        else:
            linkopts = _pkg_config(ctx, ["--libs"] + packages.split(" "))
            version = _pkg_config(ctx, ["--modversion", packages.split(" ")[0]])[0]
        build += _TARGET.format(
            name = name,
            repository = ctx.name,
            defines = repr(ctx.attr.defines),
            linkopts = repr(linkopts),
            static_linkopts = repr(static_runtime + _static(ctx, linkopts)),
        )
    if ctx.attr.header:
        header = ctx.path("/usr/include/" + ctx.attr.header)
        if not header.exists:
            _fail_missing(ctx, ctx.name, ctx.attr.apt)
        version = str(header.realpath)
    for path in ctx.attr.hide_sanitizers_from:
        ctx.file("include/" + path, _WITHOUT_SANITIZERS.format(path))
    ctx.file("BUILD.bazel", build)
    ctx.file(ctx.name + "_version.h", "// {}\n".format(version))

system_library = repository_rule(
    implementation = _system_library_impl,
    attrs = {
        "apt": attr.string(mandatory = True, doc = "the packages that bring it, for the error message"),
        "defines": attr.string_list(doc = "what its headers are told"),
        "header": attr.string(doc = "for a library without pkg-config: the header that shows it is there"),
        "hide_sanitizers_from": attr.string_list(doc = "headers that change the layout of classes"),
        "libraries": attr.string_dict(
            mandatory = True,
            doc = "target: pkg-config packages, or link flags (starting with -)",
        ),
    },
    local = True,
)

_PROTOBUF = """
package(default_visibility = ["//visibility:public"])

exports_files(["protoc"])

cc_library(
    name = "protobuf",
    hdrs = ["protobuf_version.h"] + glob(["include/**"]),
    includes = ["include"],
    linkopts = select({{
        "@//third_party:static_libraries": {static_linkopts},
        "//conditions:default": {linkopts},
    }}),
)

# What the native cc_proto_library asks for.
proto_lang_toolchain(
    name = "cc_toolchain",
    command_line = "--cpp_out=$(OUT)",
    runtime = ":protobuf",
)
"""

def _system_protobuf_impl(ctx):
    protoc = ctx.which("protoc")
    if not protoc:
        _fail_missing(ctx, "protoc", ctx.attr.apt)
    ctx.symlink(protoc, "protoc")
    ctx.file("BUILD.bazel", _PROTOBUF.format(
        linkopts = repr(_pkg_config(ctx, ["--libs", "protobuf"])),
        static_linkopts = repr(_static(ctx, _pkg_config(ctx, ["--static", "--libs", "protobuf"]))),
    ))
    for path in ["google/protobuf/map_field.h", "google/protobuf/port_def.inc"]:
        ctx.file("include/" + path, _WITHOUT_SANITIZERS.format(path))
    ctx.file("protobuf_version.h", "// {}\n".format(
        _pkg_config(ctx, ["--modversion", "protobuf"])[0],
    ))

system_protobuf = repository_rule(
    implementation = _system_protobuf_impl,
    attrs = {"apt": attr.string(default = "libprotobuf-dev protobuf-compiler")},
    local = True,
)
