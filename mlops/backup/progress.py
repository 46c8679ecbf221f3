"""Progress bars of backup and restoration, on the standard error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, TaskID


@contextmanager
def progress_report() -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar for each part; yield a function that takes part, amount done and total."""
    bars: dict[str, TaskID] = {}
    with Progress(console=Console(stderr=True), transient=True) as progress:

        def report(part: str, done: int, total: int) -> None:
            if part not in bars:
                bars[part] = progress.add_task(part, total=total or None)
            progress.update(bars[part], completed=done, total=total or None)

        yield report
