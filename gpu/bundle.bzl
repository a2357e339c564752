"""gpu_bundle(): programs that run on another Linux machine, one with a GPU and without Bazel."""

# Any x86-64 with AVX2, FMA and AES, without which Highway takes no AVX2; archives where there are.
def _portable_impl(settings, attr):
    _ignore = (attr,)
    return {
        "//command_line_option:copt": [
            copt
            for copt in settings["//command_line_option:copt"]
            if not copt.startswith("-march=")
        ] + ["-march=x86-64-v3", "-maes", "-mpclmul"],
        "//command_line_option:dynamic_mode": "off",
        "//command_line_option:linkopt": settings["//command_line_option:linkopt"] + [
            "-static-libstdc++",
            "-static-libgcc",
            "-Wl,--gc-sections",
            "-Wl,--strip-debug",
        ],
        "//third_party:static": True,
    }

_portable = transition(
    implementation = _portable_impl,
    inputs = [
        "//command_line_option:copt",
        "//command_line_option:linkopt",
    ],
    outputs = [
        "//command_line_option:copt",
        "//command_line_option:dynamic_mode",
        "//command_line_option:linkopt",
        "//third_party:static",
    ],
)

def _gpu_bundle_impl(ctx):
    folder = ctx.actions.declare_directory(ctx.label.name)
    args = ctx.actions.args()
    args.add(folder.path)
    inputs = []
    for kind, targets in [("tests", ctx.attr.tests), ("benchmarks", ctx.attr.benchmarks), (".", ctx.attr.programs)]:
        for target in targets:
            executable = target[DefaultInfo].files_to_run.executable
            inputs.append(executable)
            args.add(executable)
            args.add(kind + "/" + executable.basename)
            for file in target[DefaultInfo].default_runfiles.files.to_list():
                if file.is_source:  # A test's data, which it finds from the root.
                    inputs.append(file)
                    args.add(file)
                    args.add(file.short_path)
    for file in ctx.files.files:
        inputs.append(file)
        args.add(file)
        args.add(file.basename)
    ctx.actions.run_shell(
        command = """set -eu
folder=$1; shift
while (($#)); do
  mkdir -p "$folder/$(dirname "$2")"
  cp -L "$1" "$folder/$2"
  chmod u+w "$folder/$2"
  shift 2
done
""",
        arguments = [args],
        inputs = inputs,
        outputs = [folder],
        mnemonic = "GpuBundle",
    )
    files = [folder]
    return [DefaultInfo(files = depset(files), runfiles = ctx.runfiles(files))]

gpu_bundle = rule(
    implementation = _gpu_bundle_impl,
    doc = "A folder NAME with the executables, which link little but glibc, and files beside them.",
    attrs = {
        "benchmarks": attr.label_list(cfg = _portable),
        "files": attr.label_list(allow_files = True),
        "programs": attr.label_list(cfg = _portable),
        "tests": attr.label_list(cfg = _portable),
        "_allowlist_function_transition": attr.label(
            default = "@bazel_tools//tools/allowlists/function_transition_allowlist",
        ),
    },
)
