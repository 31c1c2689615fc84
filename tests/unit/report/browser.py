"""A headless Chromium, spoken to over two pipes: no driver, no port, no library."""

import base64
import fcntl
import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager

NAMES = ("chromium", "chromium-browser", "google-chrome")
FIRST_FREE = 10  # above 3 and 4, which the browser takes for its two ends
_START = """
import os, sys
for end, copy in zip(sys.argv[1:3], (3, 4)):
    os.dup2(int(end), copy)
os.execv(sys.argv[3], sys.argv[3:])
"""


def executable():
    """The path of a Chromium, or ``None``."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@contextmanager
def page(folder):
    """Yield ``call(method, **parameters)`` of the DevTools protocol for one new page.

    Args:
        folder: an empty one for the browser's own files.
    """
    theirs_in, ours_out = map(_high, os.pipe())
    ours_in, theirs_out = map(_high, os.pipe())
    command = (
        executable(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
        "--no-first-run", "--remote-debugging-pipe", f"--user-data-dir={folder}", "about:blank",
    )  # fmt: skip
    process = subprocess.Popen(
        (sys.executable, "-c", _START, str(theirs_in), str(theirs_out), *command),
        pass_fds=(theirs_in, theirs_out),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs_in)
    os.close(theirs_out)
    try:
        with os.fdopen(ours_out, "wb", buffering=0) as send, os.fdopen(ours_in, "rb") as receive:
            talk = _Talk(send, receive)
            target = talk.call("Target.createTarget", url="about:blank")["targetId"]
            talk.session = talk.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            yield talk.call
    finally:
        process.terminate()
        process.wait(timeout=30)


def show(call, path, width, height, dark=False):
    """Load a file and wait until it is laid out."""
    call("Page.enable")
    call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
    scheme = "dark" if dark else "light"
    call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    call("Page.navigate", url=path.as_uri())
    loaded = "new Promise(done => document.readyState === 'complete' ? done() : addEventListener('load', done))"
    call("Runtime.evaluate", expression=loaded, awaitPromise=True)


def value(call, expression):
    """What an expression of JavaScript gives on the page."""
    return call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")


def screenshot(call):
    """The visible part of the page as a PNG."""
    return base64.b64decode(call("Page.captureScreenshot", format="png")["data"])


class _Talk:
    """Messages end in a zero byte; an answer has the number of its question."""

    def __init__(self, send, receive):
        self.send, self.receive, self.session, self.number = send, receive, None, 0

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session is not None:
            message["sessionId"] = self.session
        self.send.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self._message()
            if answer.get("id") == self.number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]

    def _message(self):
        found = bytearray()
        while (byte := self.receive.read(1)) != b"\0":
            assert byte, "the browser ended"
            found += byte
        return json.loads(found)


def _high(descriptor):
    copied = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, FIRST_FREE)
    os.close(descriptor)
    return copied
