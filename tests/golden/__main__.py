"""`make golden`: write the files."""

from tests.golden.rendering import FOLDER, files

if __name__ == "__main__":
    wanted = files()
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.iterdir():
        if path.name not in wanted:
            path.unlink()
    for name, content in wanted.items():
        (FOLDER / name).write_text(content)
