# SPDX-License-Identifier: Apache-2.0
"""The status page in Chromium, with a relay behind it. RINGPOST_SCREENSHOTS
names a folder for pictures of it."""

import os
import re
import unittest

from browser import ENTER, TAB, Browser, missing
from harness import Sink, wait_until
from test_metrics import TOKEN, relay_with_http, token_file

HOSTILE = ('<script>window.hostile = 1</script><img src=x '
           'onerror="window.hostile = 1">&amp; "quoted"')


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        why = missing()
        if why and os.environ.get("RINGPOST_NO_SKIP"):
            raise AssertionError(why)
        if why:
            raise unittest.SkipTest(why)
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.close)

    def open(self, web):
        self.browser.open(f"http://127.0.0.1:{web.port}/")

    def wait_text(self, selector, part):
        return self.browser.wait(
            lambda: part in (self.browser.text(selector) or ""),
            f"{part!r} in {selector}")

    def picture(self, name):
        folder = os.environ.get("RINGPOST_SCREENSHOTS")
        if folder:
            self.browser.screenshot(os.path.join(folder, name + ".png"))


class Showing(Page):
    """A relay that has delivered some, and defers the rest with a reply that
    would like to be a part of the page."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sink = Sink(hook=cls.answer).start()
        cls.addClassCleanup(cls.sink.stop)
        cls.relay, cls.web = relay_with_http(
            cls.sink.port, retry={"schedule": ["1h"], "expire": "2h"})
        cls.relay.start()
        cls.addClassCleanup(cls.relay.kill)
        cls.relay.send(recipients=["good@one.test"])
        cls.relay.send(recipients=["later@two.test"])
        cls.sink.wait(1)
        wait_until(lambda: len(cls.web.status()["deferrals"]) == 1,
                   "a deferral")

    @classmethod
    def tearDownClass(cls):
        cls.relay.stop()

    @staticmethod
    def answer(session, stage, line):
        if stage == "RCPT" and "later@" in line:
            return "451 4.7.1 " + HOSTILE
        return None

    def setUp(self):
        self.open(self.web)
        self.wait_text("#deferral-rows", "two.test")

    def test_hostile_reply_is_only_text(self):
        cell = self.browser.text("#deferral-rows .reply")
        self.assertEqual(cell, "451 4.7.1 " + HOSTILE)
        self.assertIsNone(self.browser.run("return window.hostile ?? null"))
        self.assertEqual(self.browser.run(
            "return document.querySelectorAll('tbody script, tbody img').length"),
            0)
        self.assertIn(HOSTILE, self.browser.text("#destination-rows"))
        self.picture("light")

    def test_policy_lets_the_page_run_and_nothing_else(self):
        # Its own script and style are let in: rows are there, and margins.
        self.assertEqual(self.browser.run(
            "return getComputedStyle(document.querySelector('dl')).display"),
            "grid")
        # What somebody might get into it is not.
        self.browser.run("""
            const s = document.createElement("script");
            s.textContent = "window.injected = 1";
            document.body.append(s);
            document.body.setAttribute("onclick", "window.injected = 1");
            document.body.click();""")
        self.assertIsNone(self.browser.run("return window.injected ?? null"))
        self.assertTrue(any("Content Security Policy" in entry["message"]
                            for entry in self.browser.console()))

    def test_nothing_is_loaded_from_elsewhere_and_nothing_complains(self):
        self.browser.console()
        self.open(self.web)
        self.wait_text("#deferral-rows", "two.test")
        origin = f"http://127.0.0.1:{self.web.port}/"
        for url in self.browser.run(
                "return performance.getEntriesByType('resource')"
                ".map((e) => e.name)"):
            self.assertTrue(url.startswith(origin), url)
        self.assertEqual(self.browser.console(), [])

    def test_figures(self):
        tiles = self.browser.run("""
            return Object.fromEntries([...document.querySelectorAll("dl > div")]
                .map((d) => [d.querySelector("dt").textContent,
                             d.querySelector("dd").textContent]))""")
        self.assertIn("since the start", tiles["Accepted"])
        self.assertTrue(tiles["In the queue"].startswith("1oldest"), tiles)
        self.assertIn("1 recipients", tiles["Delivered"])
        self.assertEqual(self.browser.text("#state"), "takes mail")
        row = self.browser.run(
            "return [...document.querySelector('#destination-rows tr').cells]"
            ".map((c) => c.textContent)")
        self.assertEqual(row[:5], [f"127.0.0.1:{self.sink.port}",
                                   "0", "0", "1", "0"])

    def test_tables_and_headings_say_what_they_are(self):
        wrong = self.browser.run("""
            const wrong = [];
            for (const t of document.querySelectorAll("table")) {
                if (!t.caption || !t.caption.textContent) wrong.push("caption");
                for (const th of t.querySelectorAll("thead th"))
                    if (th.scope !== "col") wrong.push("col");
                for (const tr of t.querySelectorAll("tbody tr"))
                    if (!tr.querySelector("th[scope=row], td[colspan]"))
                        wrong.push("row");
            }
            if (document.querySelectorAll("h1").length !== 1) wrong.push("h1");
            if (!document.documentElement.lang) wrong.push("lang");
            for (const e of document.querySelectorAll("[role=region]"))
                if (!document.getElementById(e.getAttribute("aria-labelledby")))
                    wrong.push("region");
            return wrong""")
        self.assertEqual(wrong, [])
        self.assertEqual(self.browser.label("#filter").strip(),
                         "Show destinations with:")
        self.assertEqual(self.browser.label("#push"), "Pause")
        self.assertIn("Messages per second", self.browser.label("#graph"))

    def contrast(self):
        """The lowest contrast of text with what is behind it (WCAG 1.4.3)."""
        return self.browser.run("""
            const parts = (c) => c.match(/[\\d.]+/g).map(Number);
            const light = ([r, g, b]) => [r, g, b].map((v) => {
                v /= 255;
                return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
            }).reduce((s, v, i) => s + v * [.2126, .7152, .0722][i], 0);
            const back = (e) => {
                for (; e; e = e.parentElement) {
                    const c = parts(getComputedStyle(e).backgroundColor);
                    if (c.length < 4 || c[3] > 0) return c;
                }
                return [255, 255, 255];
            };
            let lowest = 21;
            for (const e of document.querySelectorAll("body *")) {
                if (!e.textContent.trim() || e.childElementCount ||
                    !e.offsetParent) continue;
                const a = light(parts(getComputedStyle(e).color)),
                      b = light(back(e));
                lowest = Math.min(lowest, (Math.max(a, b) + .05) /
                                          (Math.min(a, b) + .05));
            }
            return lowest""")

    def test_light_and_dark_can_be_read(self):
        colours = {}
        for scheme in ("light", "dark"):
            self.browser.devtools("Emulation.setEmulatedMedia", features=[
                {"name": "prefers-color-scheme", "value": scheme}])
            colours[scheme] = self.browser.run(
                "return getComputedStyle(document.body).backgroundColor")
            self.assertGreaterEqual(self.contrast(), 4.5, scheme)
            self.picture(scheme)
        self.assertNotEqual(colours["light"], colours["dark"])
        self.browser.devtools("Emulation.setEmulatedMedia", features=[])

    def test_everything_by_keyboard(self):
        order = []
        for _ in range(6):
            self.browser.keys(TAB)
            order.append(self.browser.focused())
            # What has the focus can be seen.
            self.assertEqual(self.browser.run(
                "return getComputedStyle(document.activeElement)"
                ".outlineStyle"), "solid", order)
        self.assertEqual(order[:4], ["a To the queue", "push", "filter",
                                     "destinations"])
        self.assertEqual(len(set(order)), 6, order)
        self.browser.run("document.getElementById('push').focus()")
        self.browser.keys(ENTER)
        self.assertEqual(self.browser.text("#push"), "Go on")
        self.browser.keys(ENTER)
        self.assertEqual(self.browser.text("#push"), "Pause")

    def test_filter(self):
        self.browser.run("document.getElementById('filter').focus()")
        self.browser.keys("nowhere")
        self.wait_text("#destination-rows", "No destination has that")
        self.assertEqual(self.browser.focused(), "filter")

    def test_it_is_live(self):
        before = self.web.status()["inbound"]["messages"]
        self.relay.send(recipients=["good@one.test"])
        self.wait_text("#tiles", f"{before + 1} since the start")

    def test_small_screens_do_not_scroll_sideways(self):
        self.browser.devtools("Emulation.setDeviceMetricsOverride", width=360,
                              height=800, deviceScaleFactor=1, mobile=False)
        try:
            self.assertLessEqual(self.browser.run(
                "return document.documentElement.scrollWidth"), 360)
            self.picture("small")
        finally:
            self.browser.devtools("Emulation.clearDeviceMetricsOverride")


class WithToken(Page):
    def test_page_asks_for_the_token(self):
        relay, web = relay_with_http(http={"token_file": token_file()})
        with relay:
            self.open(web)
            self.browser.wait(lambda: self.browser.focused() == "token",
                              "the question for the token")
            self.assertIn("token", self.browser.label("#token"))
            self.assertEqual(self.browser.text("#tiles"), "")
            self.browser.keys("a wrong token" + ENTER)
            self.wait_text("#message", "not the token")
            self.browser.wait(lambda: self.browser.focused() == "token",
                              "the question again")
            self.browser.keys(TOKEN + ENTER)
            self.wait_text("#tiles", "In the queue")
            self.assertEqual(self.browser.text("#message"), "")


class Away(Page):
    def test_a_relay_that_is_gone_and_back(self):
        relay, web = relay_with_http()
        with relay:
            self.open(web)
            self.wait_text("#tiles", "In the queue")
            relay.stop()
            self.wait_text("#message", "does not answer")
            relay.start()
            self.browser.wait(lambda: self.browser.text("#message") == "",
                              "no more complaints")
            # Counters that begin anew are no negative rates.
            self.assertFalse(re.search(r"-\d", self.browser.text("#tiles")))


if __name__ == "__main__":
    unittest.main()
