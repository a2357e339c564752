"""Finds the CUDA toolkit: $CUDA_PATH, else /usr/local/cuda. Without one the build is CPU-only.

$CUDA_ARCHS lists the architectures to compile for, comma-separated; 90a if not set.
"""

_HEADERS = """
cc_library(
    name = "headers",
    hdrs = glob(["cuda/include/**"]),
    includes = ["cuda/include"],
    visibility = ["//visibility:public"],
)
"""

_LIBRARY = """
cc_library(
    name = "{name}",
    srcs = glob({files}),
    linkopts = ["-ldl", "-lpthread", "-lrt"],
    visibility = ["//visibility:public"],
    deps = [":headers"],
)
"""

# target: the files of lib64 it links.
_LIBRARIES = {
    "cublas": ["libcublas.so*", "libcublasLt.so*"],
    "cudart": ["libcudart_static.a"],
    "cudnn": ["libcudnn.so*"],
}

def _cuda_configure_impl(ctx):
    root = ctx.path(ctx.os.environ.get("CUDA_PATH", "/usr/local/cuda"))
    nvcc = root.get_child("bin").get_child("nvcc")
    build = ""
    if nvcc.exists:
        header = root.get_child("include").get_child("cudnn_graph.h")
        if not header.exists and not ctx.path("/usr/include/cudnn_graph.h").exists:
            fail("""

There is a CUDA toolkit in {}, but no cuDNN 9: there is no {}.
Install cuDNN for it, or build without CUDA: CUDA_PATH=/none ./bazelw ...
""".format(root, header))
        ctx.symlink(root, "cuda")
        build = _HEADERS
        for name, files in _LIBRARIES.items():
            build += _LIBRARY.format(name = name, files = repr(["cuda/lib64/" + f for f in files]))
    ctx.file("BUILD.bazel", build)
    ctx.file("defs.bzl", "NVCC = {}\nCUDA_ARCHS = {}\n".format(
        repr(str(nvcc) if nvcc.exists else ""),
        repr(ctx.os.environ.get("CUDA_ARCHS", "90a").split(",")),
    ))

cuda_configure = repository_rule(
    implementation = _cuda_configure_impl,
    environ = [
        "CUDA_ARCHS",
        "CUDA_PATH",
    ],
    local = True,
)
