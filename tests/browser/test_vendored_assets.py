"""Vendored assets are what npm delivers, byte by byte."""

import gzip
import json
from pathlib import Path

import pytest
from wellspring_console.assets import VENDOR

from local import vendor_console, vendor_docs
from tests.support.node import installed
from wellspring.apidocs.page import VENDORED

pytestmark = pytest.mark.outside

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def package() -> Path:
    """The npm package as the lock beside this file pins it."""
    return installed(HERE) / "swagger-ui-dist"


def pinned() -> dict[str, str]:
    """Return the version of each package."""
    versions: dict[str, str] = json.loads((HERE / "package.json").read_text())["dependencies"]
    return versions


def test_what_the_console_holds_is_what_vendoring_it_again_gives(package: Path, tmp_path: Path) -> None:
    vendor_console.vendor(package.parent, tmp_path / "again")
    again, held = ({path.name: path.read_bytes() for path in of.iterdir()} for of in (tmp_path / "again", VENDOR))
    assert again == held
    assert json.loads(held["vendored.json"])["packages"].items() <= pinned().items()


def test_what_is_vendored_is_what_the_pinned_package_holds(package: Path, tmp_path: Path) -> None:
    for _ in range(2):
        vendor_docs.vendor(package, tmp_path / "again")
    again, found = ({path.name: path.read_bytes() for path in of.iterdir()} for of in (tmp_path / "again", VENDORED))
    assert again.pop("vendored.json") == found["vendored.json"]
    said = json.loads(found.pop("vendored.json"))
    assert said["version"] == pinned()[said["package"]]
    assert found.keys() == again.keys() == {*(f"{name}.gz" for name in vendor_docs.COMPRESSED), *vendor_docs.PLAIN}
    for name, content in [*found.items(), *again.items()]:
        # Another zlib may compress otherwise; what it compresses is the same.
        plain = gzip.decompress(content) if name.endswith(".gz") else content
        assert plain == (package / name.removesuffix(".gz")).read_bytes(), name


def test_the_lock_names_no_registry_and_carries_hashes() -> None:
    text = (HERE / "package-lock.json").read_text()
    assert "://" not in text
    packages = json.loads(text)["packages"]
    assert all(package["integrity"].startswith("sha512-") for name, package in packages.items() if name)
