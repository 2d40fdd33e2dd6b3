"""Where data sets are found: folders of this machine, and addresses that can be reached."""

import os
import socket
from pathlib import Path
from threading import Thread
from time import monotonic
from urllib.parse import urlsplit
from urllib.request import getproxies

import pooch

SECONDS_TO_CONNECT = 1.5


def roots(folder: str | Path | None) -> list[Path]:
    """Return the folders that may hold data sets, in this order: the per-user cache comes last.

    folder: data.dir, or None.
    """
    named = (folder, os.environ.get("UNROLLED_DATA_DIR"), "data", pooch.os_cache("unrolled"))
    return [Path(root).expanduser() for root in named if root]


def reachable(addresses: tuple[str, ...]) -> list[str]:
    """Return the addresses whose servers accept a connection soon.

    So a dead network is found early, also if the name of a server cannot be resolved.
    """
    proxies = getproxies()
    reached = {url for url in addresses if {urlsplit(url).scheme, "all"} & proxies.keys()}

    def connect(url: str) -> None:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            socket.create_connection((parts.hostname, port), SECONDS_TO_CONNECT).close()
        except OSError:
            return
        reached.add(url)

    # daemons, because resolving a name knows no time limit
    direct = [url for url in addresses if url not in reached]
    threads = [Thread(target=connect, args=(url,), daemon=True) for url in direct]
    for thread in threads:
        thread.start()
    deadline = monotonic() + SECONDS_TO_CONNECT
    for thread in threads:
        thread.join(max(deadline - monotonic(), 0))
    return [url for url in addresses if url in reached]
