"""kernel(): one computation with an implementation for each device."""

load("//third_party/cuda:defs.bzl", "cuda_library", "if_cuda")

# Let the compiler vectorize loops: no kernel reads errno or the floating-point exception flags.
KERNEL_COPTS = [
    "-O3",
    "-fno-math-errno",
    "-fno-trapping-math",
]

def kernel(name, cuda = False, deps = [], cuda_deps = [], textual_hdrs = []):
    """NAME.h and NAME.cc, and NAME.cu where there is CUDA. Depend on it as :NAME.

    Each implementation registers itself, so it is linked whether or not anything names it.

    Args:
      name: the kernel's name.
      cuda: whether there is a NAME.cu.
      deps: what NAME.h and NAME.cc include; //core is among them.
      cuda_deps: what NAME.cu includes beyond these: labels of @local_cuda are resolved only with CUDA.
      textual_hdrs: headers for NAME.cc alone.
    """
    native.cc_library(
        name = name + "_cpu",
        srcs = [name + ".cc"] + textual_hdrs,
        hdrs = [name + ".h"],
        copts = KERNEL_COPTS,
        alwayslink = True,
        visibility = ["//visibility:private"],
        deps = ["//core"] + deps,
    )
    if cuda:
        cuda_library(
            name = name + "_cuda",
            srcs = [name + ".cu"],
            alwayslink = True,
            visibility = ["//visibility:private"],
            deps = [":" + name + "_cpu"] + cuda_deps,
        )
    native.cc_library(
        name = name,
        deps = [":" + name + "_cpu"] + (if_cuda([":" + name + "_cuda"]) if cuda else []),
    )
