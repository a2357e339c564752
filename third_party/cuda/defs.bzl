"""cuda_library: .cu files compiled by nvcc, linked like any cc_library."""

load("@bazel_tools//tools/cpp:toolchain_utils.bzl", "find_cpp_toolchain")
load("@local_cuda//:defs.bzl", "CUDA_ARCHS", "NVCC")

_COPTS = [
    "-std=c++20",
    "-O3",
    "--expt-relaxed-constexpr",
    "--extended-lambda",
    "-lineinfo",
    # A seventh of the size; a program has many.
    "--compress-mode=size",
    "-Xcompiler=-fPIC,-Wall,-Wextra",
]

def if_cuda(if_true, if_false = []):
    """A list that depends on whether a CUDA toolkit was found; for deps."""
    return if_true if NVCC else if_false

def _compile(ctx, cc_toolchain, context, src):
    obj = ctx.actions.declare_file("_objs/{}/{}.o".format(ctx.label.name, src.basename))
    args = ctx.actions.args()
    args.add("-ccbin", cc_toolchain.compiler_executable)
    args.add_all(["-c", src, "-o", obj])
    args.add_all(_COPTS)
    for arch in CUDA_ARCHS:
        args.add("-gencode=arch=compute_{a},code=sm_{a}".format(a = arch))
    args.add_all(context.defines, before_each = "-D")
    args.add_all(depset(["."], transitive = [context.quote_includes, context.includes]), before_each = "-I")
    args.add_all(context.system_includes, before_each = "-isystem")
    args.add_all(ctx.attr.copts)
    ctx.actions.run(
        executable = NVCC,
        arguments = [args],
        inputs = depset([src], transitive = [context.headers, cc_toolchain.all_files]),
        outputs = [obj],
        mnemonic = "CudaCompile",
        progress_message = "Compiling %s" % src.short_path,
        use_default_shell_env = True,
    )
    return obj

def _cuda_library_impl(ctx):
    cc_toolchain = find_cpp_toolchain(ctx)
    features = cc_common.configure_features(
        ctx = ctx,
        cc_toolchain = cc_toolchain,
        requested_features = ctx.features,
        unsupported_features = ctx.disabled_features,
    )
    own = CcInfo(compilation_context = cc_common.create_compilation_context(
        headers = depset(ctx.files.hdrs + ctx.files.textual_hdrs),
    ))
    deps = cc_common.merge_cc_infos(cc_infos = [own] + [d[CcInfo] for d in ctx.attr.deps])
    objs = [_compile(ctx, cc_toolchain, deps.compilation_context, src) for src in ctx.files.srcs]
    linking, _ = cc_common.create_linking_context_from_compilation_outputs(
        actions = ctx.actions,
        name = ctx.label.name,
        feature_configuration = features,
        cc_toolchain = cc_toolchain,
        compilation_outputs = cc_common.create_compilation_outputs(
            objects = depset(objs),
            pic_objects = depset(objs),
        ),
        linking_contexts = [deps.linking_context],
        alwayslink = ctx.attr.alwayslink,
        disallow_dynamic_library = True,
    )
    return [
        DefaultInfo(files = depset(objs)),
        CcInfo(compilation_context = deps.compilation_context, linking_context = linking),
    ]

_cuda_library = rule(
    implementation = _cuda_library_impl,
    attrs = {
        "srcs": attr.label_list(allow_files = [".cu"]),
        "hdrs": attr.label_list(allow_files = [".h", ".cuh"]),
        "textual_hdrs": attr.label_list(allow_files = True),
        "deps": attr.label_list(providers = [CcInfo]),
        "copts": attr.string_list(),
        "alwayslink": attr.bool(),
        "_cc_toolchain": attr.label(default = "@bazel_tools//tools/cpp:current_cc_toolchain"),
    },
    fragments = ["cpp"],
    toolchains = ["@bazel_tools//tools/cpp:toolchain_type"],
)

def cuda_library(name, deps = [], visibility = None, **kwargs):
    """Without a toolkit this is an empty cc_library, so that //... still builds."""
    if NVCC:
        _cuda_library(
            name = name,
            visibility = visibility,
            deps = deps + ["@local_cuda//:cudart"],
            **kwargs
        )
    else:
        native.cc_library(name = name, visibility = visibility)
