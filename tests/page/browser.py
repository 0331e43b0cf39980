# SPDX-License-Identifier: Apache-2.0
"""Chromium, driven through chromedriver by the W3C's WebDriver protocol: JSON
over HTTP, which the standard library speaks."""

import base64
import http.client
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

PATIENCE = float(os.environ.get("RINGPOST_TEST_PATIENCE", "60"))
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
TAB, ENTER, ESCAPE, SPACE = "\ue004", "\ue007", "\ue00c", " "

PROGRAMS = ("chromium", "chromedriver")


def missing():
    """What is not installed, or None."""
    names = [name for name in PROGRAMS if not shutil.which(name)]
    return f"no {', '.join(names)}: tests/setup/install page" if names else None


class Browser:
    """One window, nothing but loopback in reach."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="ringpost-browser-")
        self.log = open(os.path.join(self.folder, "log"), "w+")
        self.driver = subprocess.Popen(
            ["chromedriver", "--port=0"], stdin=subprocess.DEVNULL,
            stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True,
            env=dict(os.environ, HOME=self.folder))
        self.session = None
        try:
            self.port = self.wait_port()
            self.session = self.post("/session", {"capabilities": {
                "alwaysMatch": {"goog:chromeOptions": {
                    "binary": shutil.which("chromium"), "args": [
                        "--headless=new", "--no-sandbox", "--disable-gpu",
                        "--disable-dev-shm-usage", "--no-first-run",
                        "--disable-background-networking",
                        "--disable-component-update", "--window-size=1200,1400",
                        "--host-resolver-rules=MAP * ~NOTFOUND, "
                        "EXCLUDE 127.0.0.1",
                        "--user-data-dir=" + os.path.join(self.folder, "p")]},
                    "goog:loggingPrefs": {"browser": "ALL"}}}})["sessionId"]
        except BaseException:
            self.close()
            raise

    def wait_port(self):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with open(self.log.name) as f:
                for line in f:
                    if "started successfully on port" in line:
                        return int(line.split()[-1].rstrip("."))
            if self.driver.poll() is not None:
                break
            time.sleep(0.05)
        with open(self.log.name) as f:
            raise AssertionError("chromedriver does not start: " + f.read())

    def close(self):
        if self.session:
            try:
                self.call("DELETE", "")
            except (OSError, AssertionError, http.client.HTTPException):
                pass
        if self.driver.poll() is None:
            self.driver.terminate()
        try:
            self.driver.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self.driver.pid, signal.SIGKILL)
            self.driver.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # the protocol

    def request(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port,
                                                timeout=2 * PATIENCE)
        try:
            connection.request(method, path,
                               None if body is None else json.dumps(body),
                               {"Content-Type": "application/json"})
            response = connection.getresponse()
            value = json.loads(response.read())["value"]
        finally:
            connection.close()
        if response.status != 200:
            raise AssertionError(f"{method} {path}: {value['error']}: "
                                 f"{value['message']}")
        return value

    def post(self, path, body):
        return self.request("POST", path, body)

    def call(self, method, path, body=None):
        return self.request(method, f"/session/{self.session}{path}", body)

    # what a person does and sees

    def open(self, url):
        self.call("POST", "/url", {"url": url})

    def run(self, script, *args):
        """The value of a function's body in the page."""
        return self.call("POST", "/execute/sync",
                         {"script": script, "args": list(args)})

    def find(self, selector):
        return self.call("POST", "/element", {
            "using": "css selector", "value": selector})[ELEMENT]

    def label(self, selector):
        return self.call("GET", f"/element/{self.find(selector)}/computedlabel")

    def text(self, selector):
        return self.run("const e = document.querySelector(arguments[0]);"
                        "return e && e.textContent", selector)

    def keys(self, text):
        actions = [a for key in text for a in (
            {"type": "keyDown", "value": key}, {"type": "keyUp", "value": key})]
        self.call("POST", "/actions", {"actions": [
            {"type": "key", "id": "keyboard", "actions": actions}]})

    def focused(self):
        """The id of what has the focus, or its name and text."""
        return self.run("const e = document.activeElement;"
                        "return e.id || e.localName + ' ' + e.textContent")

    def devtools(self, command, **params):
        return self.call("POST", "/goog/cdp/execute",
                         {"cmd": command, "params": params})

    def console(self):
        return self.call("POST", "/se/log", {"type": "browser"})

    def screenshot(self, path):
        with open(path, "wb") as f:
            f.write(base64.b64decode(self.call("GET", "/screenshot")))

    def wait(self, condition, what):
        deadline = time.monotonic() + PATIENCE
        while not (value := condition()):
            if time.monotonic() > deadline:
                raise AssertionError("waited in vain for " + what
                                     + "; the page has:\n"
                                     + (self.text("body") or "")[:3000])
            time.sleep(0.05)
        return value
