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
CUDA_SAME_BITS = ["--fmad=false"]

# The simulator's headers in place of the toolkit's, which a dependency may bring; and nvcc's pragmas are
# no other's.
SIMULATED_COPTS = [
    "-Ikernels/cuda/simulator/include",
    "-Wno-unknown-pragmas",
]

# How a device_test's library is called.
_CASES = "_cases"

def simulated_library(name, srcs, deps, hdrs = [], copts = [], visibility = None):
    """.cu files compiled for the host: what the GPU would do, done by the simulator (kernels/cuda/simulator).

    Args:
      name: of a cc_library.
      srcs: .cu files.
      deps: as those of the cuda_library; of this folder's and kernels/cuda's, the simulated ones are taken.
      hdrs: headers.
      copts: further options.
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
        copts = SIMULATED_COPTS + copts,
        alwayslink = True,
        visibility = visibility,
        deps = [
            dep + "_simulated" if dep.startswith("//kernels/cuda:") else dep
            for dep in deps
        ] + ["//core", "//kernels/cuda/simulator:headers"],
    )

def kernel(name, cuda = False, srcs = [], deps = [], cuda_srcs = [], cuda_deps = [], kernels = [], textual_hdrs = [], same_bits = False):
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
      same_bits: whether an element's result is the same wherever it stands.
    """
    native.cc_library(
        name = name + "_cpu",
        srcs = [name + ".cc"] + srcs + textual_hdrs,
        hdrs = [name + ".h"],
        copts = KERNEL_COPTS + (SAME_BITS if same_bits else []),
        alwayslink = True,
        visibility = ["//visibility:private"],
        deps = ["//core"] + deps + [":" + other + "_cpu" for other in kernels],
    )
    if cuda:
        cuda_library(
            name = name + "_cuda",
            srcs = [name + ".cu"] + cuda_srcs,
            copts = CUDA_SAME_BITS if same_bits else [],
            alwayslink = True,
            visibility = ["//visibility:private"],
            deps = [":" + name + "_cpu"] + cuda_deps + [":" + other + "_cuda" for other in kernels],
        )
        simulated_library(
            name = name + "_simulated",
            srcs = [name + ".cu"] + cuda_srcs,
            copts = SAME_BITS if same_bits else [],
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

def device_test(name, srcs, deps, data = [], local_defines = [], **kwargs):
    """A cc_test of suites that run by device: here as NAME; with all others, in one program, on a GPU (gpu/).

    Names of suites differ from those of other device tests.

    Args:
      name: of the test.
      srcs: as of a cc_test.
      deps: as of a cc_test, but without gtest_main.
      data: as of a cc_test.
      local_defines: as of a cc_test.
      **kwargs: of the cc_test.
    """
    native.cc_library(
        name = name + _CASES,
        testonly = True,
        srcs = srcs,
        data = data,
        local_defines = local_defines,
        alwayslink = True,
        visibility = ["//visibility:private"],
        deps = deps + ["@com_google_googletest//:gtest"],
    )
    native.cc_test(
        name = name,
        deps = [
            ":" + name + _CASES,
            "@com_google_googletest//:gtest_main",
        ],
        **kwargs
    )

def device_cases(name):
    """What the device_tests of this folder run, for a program of all of them: the last line of BUILD."""
    native.cc_library(
        name = name,
        testonly = True,
        visibility = ["//gpu:__pkg__"],
        deps = [":" + rule for rule in native.existing_rules() if rule.endswith(_CASES)],
    )
