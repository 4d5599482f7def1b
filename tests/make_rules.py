#!/usr/bin/env python3
"""Asks NVIDIA's assembler what it accepts, and writes the answers where the tests of `vgpu-ptx` read them.

`crates/ptx/tests/data/forms.txt` and the tables of `tools/filetests/src/table` list instruction forms. For each:
- `requirements.txt`: the lowest `.target` and `.version` that ptxas accepts (both of those it knows: sm_50 and PTX 6.0 up);
- `types.txt`: for every register operand, the types of registers that ptxas accepts in its place.
No GPU is needed:  pip install nvidia-cuda-nvcc-cu12==12.9.86 && python3 tests/make_rules.py
"""
import importlib.util, pathlib, re, subprocess, sys, tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
DATA = ROOT / "crates/ptx/tests/data"
TABLES = [ROOT / "tools/filetests/src/table" / name for name in ("operations.txt", "video.txt")]
TARGETS = "50 52 53 60 61 62 70 72 75 80 86 87 89 90 100 120".split()
# The lowest version of each target, and a target that each version has.
VERSIONS = "6.0 6.1 6.2 6.3 6.4 6.5 7.0 7.1 7.2 7.3 7.4 7.5 7.6 7.7 7.8 8.0 8.1 8.2 8.3 8.4 8.5 8.6 8.7 8.8".split()
TARGET_OF = {"6.0": "70", "6.1": "72", "6.2": "72", "6.3": "75", "6.4": "75", "6.5": "75", "7.0": "80", "7.1": "86",
             "7.2": "86", "7.3": "86", "7.4": "87", "7.5": "87", "7.6": "87", "7.7": "87", "8.6": "100", "8.7": "100", "8.8": "100"}
REGISTERS = {"p": "pred", "q": "pred", "b16": "b16", "rs": "u16", "h": "f16", "b32": "b32", "r": "u32", "f": "f32",
             "rd": "u64", "fd": "f64", "bq": "b128"}
TYPES = "b8 u8 s8 b16 u16 s16 f16 b32 u32 s32 f32 f16x2 b64 u64 s64 f64 pred b128".split()


def assembler():
    spec = importlib.util.find_spec("nvidia.cuda_nvcc")
    if spec is None:
        sys.exit("ptxas is missing: pip install nvidia-cuda-nvcc-cu12==12.9.86")
    return pathlib.Path(list(spec.submodule_search_locations)[0]) / "bin/ptxas"


PTXAS = assembler()


def refused(version, target, statements, declarations):
    """The indices of the statements that ptxas refuses."""
    head = f".version {version}\n.target sm_{target}\n.address_size 64\n.visible .entry k() {{\n{declarations}\n"
    first = head.count("\n") + 1
    with tempfile.NamedTemporaryFile("w", suffix=".ptx") as file:
        file.write(head + "\n".join(statement + ";" for statement in statements) + "\nret;\n}\n")
        file.flush()
        run = subprocess.run([PTXAS, f"-arch=sm_{target}", file.name, "-o", "/dev/null"], capture_output=True, text=True)
    lines = {int(line) for line in re.findall(r"line (\d+); (?:error|fatal)", run.stdout + run.stderr)}
    # A message about a line of the head hides all others.
    if any(line < first for line in lines) or run.returncode != 0 and not lines:
        sys.exit(f"ptxas refuses the frame of PTX {version}, sm_{target}:\n{run.stdout}{run.stderr}")
    return {line - first for line in lines}


def expand(text):
    match = re.search(r"\{([^}]*)\}", text)
    if not match:
        return [text]
    return [head for choice in match[1].split(",") for head in expand(text[:match.start()] + choice + text[match.end():])]


def table_forms():
    """The forms of the tables that are one instruction with plain operands."""
    letters = {"pred": "p", "f32": "f", "f64": "fd", "tf32": "b32", "f16": "h"}
    bits = {"u8": 32, "s8": 32, "b8": 32, "u16": 16, "s16": 16, "b16": 16, "bf16": 16, "e4m3x2": 16, "e5m2x2": 16,
            "u64": 64, "s64": 64, "b64": 64}
    wide = {"u16": "u32", "s16": "s32", "u32": "u64", "s32": "s64"}
    plain = {16: "b16", 32: "b32", 64: "rd"}
    for path in TABLES:
        for line in path.read_text().splitlines():
            if not line or line[0] == "#" or line.startswith("do ") or line.startswith(("atom.", "red.")):
                continue
            for text in expand(line.split(" | ")[0]):
                opcode, operands = text.split(" ", 1)
                types = [t for t in opcode.split(".")[1:] if t in bits or t in letters or t in ("u32", "s32", "b32", "f16x2", "bf16x2", "u16x2", "s16x2")]
                written = []
                for operand in operands.split(", "):
                    if operand.startswith("0x"):
                        written.append(operand)
                        continue
                    name, _, ty = operand.split("~")[0].partition(":")
                    ty, dot, part = ty.partition(".")
                    ty = {"": types[-1:] and types[-1], "T0": types[:1] and types[0], "T1": types[1:] and types[1],
                          "wide": types[-1:] and wide.get(types[-1])}.get(ty, ty)
                    register = letters.get(ty) or plain[bits.get(ty, 32)]
                    # Part selectors want an integer register.
                    register = "r" if path.name == "video.txt" else register
                    suffix = "|%p" if opcode.startswith(("lop3.or", "lop3.and")) and name == "d" else ""
                    written.append(f"%{register}{dot}{part}{suffix}")
                yield f"{opcode} {', '.join(written)}"


def requirements(forms):
    declarations = "\n".join(f".reg .{ty} %{name};" for name, ty in REGISTERS.items() if name != "bq")
    wide = declarations + "\n.reg .b128 %bq;"
    narrow_forms = [form for form in forms if "%bq" not in form]
    target, version = {}, {}
    for number in TARGETS:
        with_wide = int(number) >= 70
        asked = forms if with_wide else narrow_forms
        bad = refused("8.8", number, asked, wide if with_wide else declarations)
        for index, form in enumerate(asked):
            if index not in bad:
                target.setdefault(form, number)
    for number in VERSIONS:
        with_wide = float(number) >= 8.3
        asked = forms if with_wide else narrow_forms
        bad = refused(number, TARGET_OF.get(number, "90"), asked, wide if with_wide else declarations)
        for index, form in enumerate(asked):
            if index not in bad:
                version.setdefault(form, number)
    return {form: (target.get(form), version.get(form)) for form in forms}


def types(forms):
    declarations = "\n".join(f".reg .{ty} %{name};" for name, ty in REGISTERS.items())
    declarations += "\n" + "\n".join(f".reg .{ty} %v{ty};" for ty in TYPES)
    statements, asked = [], []
    for form in forms:
        for number, match in enumerate(re.finditer(r"%(\w+)", form)):
            if match[1] not in REGISTERS:
                continue
            for ty in TYPES:
                statements.append(form[:match.start()] + f"%v{ty}" + form[match.end():])
                asked.append((form, number, ty))
    bad = refused("8.8", "120", statements, declarations)
    accepted = {}
    for index, (form, number, ty) in enumerate(asked):
        entry = accepted.setdefault((form, number), [])
        if index not in bad:
            entry.append(ty)
    return accepted


def main():
    listed = [line for line in (DATA / "forms.txt").read_text().splitlines() if line and line[0] != "#"]
    tabled = sorted(set(table_forms()))
    found = requirements(listed + tabled)
    unknown = [form for form, (target, version) in found.items() if not target or not version]
    lines = ["# Written by tests/make_rules.py from ptxas 12.9.86: lowest target, lowest version, form."]
    oldest = 0
    for form, (target, version) in sorted(found.items()):
        if form in unknown:
            continue
        # Of what every target and version has, a sample will do.
        if (target, version) == ("50", "6.0") and form in tabled:
            oldest += 1
            if oldest % 20:
                continue
        lines.append(f"sm_{target} {version} {form}")
    (DATA / "requirements.txt").write_text("\n".join(lines) + "\n")
    # Forms of sm_70 to sm_100 only; setmaxnreg and the like need an architecture of their own.
    plain = [form for form in listed if form not in unknown]
    lines = ["# Written by tests/make_rules.py from ptxas 12.9.86: number of the register, form, types it accepts there."]
    for (form, number), accepted in sorted(types(plain).items()):
        lines.append(f"{number} | {form} | {' '.join(accepted)}")
    (DATA / "types.txt").write_text("\n".join(lines) + "\n")
    print(f"{len(found)} forms; ptxas accepts these nowhere:", *unknown, sep="\n  ")


main()
