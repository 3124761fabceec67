"""Compiles the kernels to PTX, and checks what became of them.

    script/kernels [family...]    makes the files again, of some families or of all
    script/kernels check          fails unless they are what the source gives, and are good
"""

import ctypes
import pathlib
import re
import subprocess
import sys
import sysconfig
import tempfile

SOURCES = pathlib.Path("Sources/CGPUKernels")
# In the order of the TYPE numbers.
TYPES = ["float16", "bfloat16", "float32", "float64"]
# Each product and sum is rounded, as on the processor; division and roots are precise unless one asks otherwise.
OPTIONS = ["--gpu-architecture=compute_70", "-fmad=false"]
# Volta, which the PTX is for, and what most machines with a large GPU have.
ARCHITECTURES = ["sm_70", "sm_80", "sm_90"]
# Those that do most of the work: they have to move 16 bytes at a time.
MAIN_KERNELS = {
    "normalization": [
        "normalize_tiles", "normalize_given", "gradient_tiles", "gradient_given", "tile_moments", "tile_sums"],
    "pointwise": ["pointwise", "pointwise_gradient"],
    "binary": ["binary"],
    "updates": ["combine", "adam"],
}
# Bytes that a kernel may put away, which it does around calls of functions; where more is spilled, registers are short.
SPILL_LIMIT = 192
WIDE_LOAD = re.compile(r"\bld(?:\.global)?(?:\.\w+)*\.(?:v4\.[bfsu]32|v2\.[bfsu]64)\b")

NVIDIA = pathlib.Path(sysconfig.get_paths()["purelib"]) / "nvidia"


def families():
    """The families in CGPUKernels.c: for each its text, with the prelude of CUDA, and the types it is compiled for."""
    text = (SOURCES / "CGPUKernels.c").read_text()
    files = dict(re.findall(r'static const char (\w+)\[\] = \{\n#embed "(.*)"', text))
    found = {}
    for name, parts in re.findall(r"\[FAMILY_(\w+)\] = \{(calls, .*)\}", text):
        name = name.lower()
        paths = ["Kernels/prelude_cuda.h"] + [files[part] for part in parts.split(", ")]
        # So that the compiler's errors name the file and its line.
        source = "".join(f'#line 1 "{path}"\n{(SOURCES / path).read_text()}' for path in paths)
        found[name] = source, [kind for kind in TYPES if f"PTX/{name}-{kind}.ptx" in files.values()]
    return found


class Compiler:
    """NVIDIA's compiler of CUDA C++ to PTX (NVRTC)."""

    def __init__(self):
        self.library = ctypes.CDLL(str(NVIDIA / "cuda_nvrtc/lib/libnvrtc.so.12"))
        self.library.nvrtcGetErrorString.restype = ctypes.c_char_p

    def call(self, function, *arguments):
        result = getattr(self.library, function)(*arguments)
        if result != 0:
            raise RuntimeError(f"{function}: {self.library.nvrtcGetErrorString(result).decode()}")

    def text(self, program, what):
        size = ctypes.c_size_t()
        self.call(f"nvrtcGet{what}Size", program, ctypes.byref(size))
        text = ctypes.create_string_buffer(size.value)
        self.call(f"nvrtcGet{what}", program, text)
        return text.value.decode()

    def ptx(self, source, options):
        program = ctypes.c_void_p()
        self.call("nvrtcCreateProgram", ctypes.byref(program), source.encode(), b"kernels.cu", 0, None, None)
        options = [option.encode() for option in options]
        try:
            self.call("nvrtcCompileProgram", program, len(options), (ctypes.c_char_p * len(options))(*options))
        except RuntimeError as error:
            sys.exit(f"kernels: {error}\n{self.text(program, 'ProgramLog')}")
        log = self.text(program, "ProgramLog").strip()
        if log:
            sys.exit(f"kernels: the compiler is not content\n{log}")
        ptx = self.text(program, "PTX")
        self.call("nvrtcDestroyProgram", ctypes.byref(program))
        return ptx


def make(folder, names):
    compiler = Compiler()
    for family, (source, types) in families().items():
        for kind in types if family in names else []:
            text = compiler.ptx(source, OPTIONS + [f"-DVALUE_TYPE={TYPES.index(kind)}"])
            (folder / f"{family}-{kind}.ptx").write_text(text)


def entries(ptx):
    """The kernels in a PTX by name, each with its instructions."""
    parts = re.split(r"^\.visible \.entry (\w+)\(", ptx, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def assemble(path, architecture):
    """What the assembler says of each kernel in a file: registers, and bytes of shared memory, of stack and spilled."""
    assembler = NVIDIA / "cuda_nvcc/bin/ptxas"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as cubin:
        run = subprocess.run(
            [assembler, "-v", f"--gpu-name={architecture}", "-o", cubin.name, path], capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(f"kernels: {path.name} does not assemble for {architecture}:\n{run.stderr}")

    def number(pattern, text):
        return sum(int(found) for found in re.findall(pattern, text))

    parts = re.split(r"Compiling entry function '(\w+)'", run.stderr)
    return {
        name: {
            "registers": number(r"Used (\d+) registers", said),
            "shared": number(r"(\d+) bytes smem", said),
            "spilled": number(r"(\d+) bytes spill (?:stores|loads)", said),
            "stack": number(r"(\d+) bytes stack frame", said),
        }
        for name, said in zip(parts[1::2], parts[2::2])
    }


def check():
    faults = []
    named = [(family, f"{family}-{kind}.ptx") for family, (_, types) in families().items() for kind in types]
    with tempfile.TemporaryDirectory() as folder:
        make(pathlib.Path(folder), families())
        for _, name in named:
            if (pathlib.Path(folder) / name).read_text() != (SOURCES / "PTX" / name).read_text():
                faults.append(f"PTX/{name} is not what the source gives; script/kernels makes it again")
    for path in (SOURCES / "PTX").iterdir():
        if path.name not in dict(map(reversed, named)):
            faults.append(f"PTX/{path.name} is of no family")

    for family, name in named:
        path = SOURCES / "PTX" / name
        kernels = entries(path.read_text())
        built = {architecture: assemble(path, architecture) for architecture in ARCHITECTURES}
        titles = [f"{architecture}: registers shared stack spilled" for architecture in ARCHITECTURES]
        print(f"{path.stem:<22}{'wide loads':>11}" + "".join(f"{title:>38}" for title in titles))
        for kernel, text in sorted(kernels.items()):
            loads = len(WIDE_LOAD.findall(text))
            line = f"{kernel:<22}{loads:>11}"
            for architecture in ARCHITECTURES:
                found = built[architecture][kernel]
                line += f"{found['registers']:>17}{found['shared']:>7}{found['stack']:>6}{found['spilled']:>8}"
                if found["spilled"] > SPILL_LIMIT:
                    faults.append(f"{kernel} of {path.stem} on {architecture} spills {found['spilled']} bytes")
            print(line)
        for kernel in MAIN_KERNELS.get(family, []):
            if kernel not in kernels:
                faults.append(f"there is no {kernel} in {path.stem}")
            elif not WIDE_LOAD.search(kernels[kernel]):
                faults.append(f"{kernel} of {path.stem} has no load of 16 bytes")
        print()
    if faults:
        sys.exit("\n".join(f"kernels: {fault}" for fault in faults))


if sys.argv[1:] == ["check"]:
    check()
elif set(sys.argv[1:]) <= families().keys():
    make(SOURCES / "PTX", sys.argv[1:] or families())
else:
    sys.exit(__doc__)
