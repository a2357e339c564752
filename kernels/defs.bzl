"""kernel(): one computation with an implementation for each device."""

load("//third_party/cuda:defs.bzl", "cuda_library", "if_cuda")

# Let the compiler vectorize loops: no kernel reads errno or the floating-point exception flags.
KERNEL_COPTS = [
    "-O3",
    "-fno-math-errno",
    "-fno-trapping-math",
]

# An element's result does not depend on whether a loop's body or its tail computed it, which a compiler
# that fuses multiplications and additions as it likes does not promise.
SAME_BITS = ["-ffp-contract=off"]

def kernel(name, cuda = False, srcs = [], deps = [], cuda_deps = [], textual_hdrs = [], copts = []):
    """NAME.h and NAME.cc, and NAME.cu where there is CUDA. Depend on it as :NAME.

    Each implementation registers itself, so it is linked whether or not anything names it.

    Args:
      name: the kernel's name.
      cuda: whether there is a NAME.cu.
      srcs: other .cc files of the CPU's part.
      deps: what NAME.h and NAME.cc include; //core is among them.
      cuda_deps: what NAME.cu includes beyond these: labels of @local_cuda are resolved only with CUDA.
      textual_hdrs: headers for NAME.cc alone.
      copts: further options for the .cc files.
    """
    native.cc_library(
        name = name + "_cpu",
        srcs = [name + ".cc"] + srcs + textual_hdrs,
        hdrs = [name + ".h"],
        copts = KERNEL_COPTS + copts,
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
