"""Says how large the built layers are, and fails beyond their budgets: `measure.py BUILD_DIR`, in `make template`.

Size is cold start: Lambda fetches and unpacks a layer before it starts Python.
"""

import sys
import zipfile
from io import BytesIO
from pathlib import Path

MEGABYTE = 1_000_000
# Megabytes unpacked and zipped. Raise one with the change that needs it, and say what for.
BUDGETS = {"SharedLayer": (36, 12), "MigrationsLayer": (3.5, 1.2)}


def sizes(layer: Path) -> tuple[float, float]:
    """Return the megabytes of what is in the folder `layer`, unpacked and zipped."""
    packed = BytesIO()
    total = 0
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(layer.rglob("*")):
            if path.is_file():
                total += path.stat().st_size
                archive.write(path, path.relative_to(layer))
    return total / MEGABYTE, packed.tell() / MEGABYTE


def main(folder: Path) -> int:
    """Print a line for each layer in `folder`; return 1 when one is beyond its budget."""
    beyond = False
    for name, budget in BUDGETS.items():
        found = sizes(folder / name)
        unpacked, zipped = (f"{size:.1f} of {most} MB" for size, most in zip(found, budget, strict=True))
        print(f"{name}: {unpacked} unpacked, {zipped} zipped")
        beyond |= any(size > most for size, most in zip(found, budget, strict=True))
    if beyond:
        print("a layer is beyond its budget (layers/measure.py)", file=sys.stderr)
    return int(beyond)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
