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

# The simulator's headers in place of the toolkit's, which a dependency may bring; and nvcc's pragmas are
# no other's.
SIMULATED_COPTS = [
    "-Ikernels/cuda/simulator/include",
    "-Wno-unknown-pragmas",
]

def simulated_library(name, srcs, deps, hdrs = [], visibility = None):
    """.cu files compiled for the host: what the GPU would do, done by the simulator (kernels/cuda/simulator).

    Args:
      name: of a cc_library.
      srcs: .cu files.
      deps: as those of the cuda_library; of this folder's and kernels/cuda's, the simulated ones are taken.
      hdrs: headers.
      visibility: as usual.
    """
    sources = []
    for src in srcs:
        wrapper = src.replace(".cu", "_simulated")
        native.genrule(
            name = wrapper + "_source",
            outs = [wrapper + ".cc"],
            cmd = "echo '#include \"{}/{}\"' > $@".format(native.package_name(), src),
            visibility = ["//visibility:private"],
        )
        sources.append(wrapper + ".cc")
    native.cc_library(
        name = name,
        srcs = sources,
        hdrs = hdrs,
        textual_hdrs = srcs,
        copts = SIMULATED_COPTS,
        alwayslink = True,
        visibility = visibility,
        deps = [
            dep + "_simulated" if dep.startswith("//kernels/cuda:") else dep
            for dep in deps
        ] + ["//core", "//kernels/cuda/simulator:headers"],
    )

def kernel(name, cuda = False, srcs = [], deps = [], cuda_srcs = [], cuda_deps = [], kernels = [], textual_hdrs = [], copts = []):
    """NAME.h and NAME.cc, and NAME.cu where there is CUDA. Depend on it as :NAME; tests that want the
    simulated GPU, too, on :NAME_simulated.

    Each implementation registers itself, so it is linked whether or not anything names it.

    Args:
      name: the kernel's name.
      cuda: whether there is a NAME.cu.
      srcs: other .cc files of the CPU's part.
      deps: what NAME.h and NAME.cc include; //core is among them.
      cuda_srcs: other .cu files.
      cuda_deps: what NAME.cu includes beyond these: labels of @local_cuda are resolved only with CUDA.
      kernels: other kernels, by name, that each implementation calls on its own device.
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
        deps = ["//core"] + deps + [":" + other + "_cpu" for other in kernels],
    )
    if cuda:
        cuda_library(
            name = name + "_cuda",
            srcs = [name + ".cu"] + cuda_srcs,
            alwayslink = True,
            visibility = ["//visibility:private"],
            deps = [":" + name + "_cpu"] + cuda_deps + [":" + other + "_cuda" for other in kernels],
        )
        simulated_library(
            name = name + "_simulated",
            srcs = [name + ".cu"] + cuda_srcs,
            visibility = ["//:__subpackages__"],
            deps = [":" + name + "_cpu"] + cuda_deps + [":" + other + "_simulated" for other in kernels],
        )
    native.cc_library(
        name = name,
        deps = [":" + name + "_cpu"] + (if_cuda([":" + name + "_cuda"]) if cuda else []),
    )

def simulated_kernels(name):
    """All kernels of this folder on the simulated GPU, for tests of what stands above them: the last line of BUILD."""
    native.cc_library(
        name = name,
        visibility = ["//:__subpackages__"],
        deps = [":" + rule for rule in native.existing_rules() if rule.endswith("_simulated")],
    )
