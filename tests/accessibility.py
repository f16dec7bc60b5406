"""axe-core in Chromium: what it finds on pages, wide and narrow, light and dark."""

from itertools import product

WIDTHS = (1280, 390)
SCHEMES = ("light", "dark")
#: Seconds for one run on a busy machine.
DEADLINE = 60
#: Scripts of the page hear of a colour scheme in the next frame. Half-way through a transition,
#: colours are those of neither scheme.
SETTLE = """
const done = arguments[0];
const ending = each => each.effect.getComputedTiming().iterations !== Infinity;
requestAnimationFrame(() => requestAnimationFrame(() => {
    const moving = document.getAnimations().filter(ending).map(each => each.finished);
    Promise.allSettled(moving).then(() => done());
}));
"""


def show(browser, width, scheme, height=900):
    """Give the browser's window a width, and its user a colour scheme."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.set_script_timeout(DEADLINE)
    browser.execute_async_script(SETTLE)


RUN = """
const [context, more, done] = arguments;
const told = ({id, nodes}) => nodes.map(node => `${id}: ${node.html.slice(0, 200)}`);
const options = {iframes: false, preload: false, resultTypes: ["violations"], ...more};
axe.run(context, options).then(
    found => done(found.violations.flatMap(told)),
    error => done([String(error)]),
);
"""


class Axe:
    """axe-core in a browser, with what it found on the pages so far."""

    def __init__(self, browser, node_modules):
        self.browser = browser
        self.source = (node_modules / "axe-core" / "axe.min.js").read_text("utf-8")
        self.found: dict[str, set[str]] = {}

    def look(self, page, *outside, **more):
        """Add the violations of the current page, each with the widths and schemes that have it.

        ``outside`` are selectors of elements that are not looked at. Neither is the page in a
        frame. ``more`` are further options of axe-core.
        """
        # A page's policy does not apply to what the driver runs.
        self.browser.execute_script(self.source)
        context = {"include": [["html"]], "exclude": [[each] for each in outside]}
        for width, scheme in product(WIDTHS, SCHEMES):
            show(self.browser, width, scheme)
            for fault in self.browser.execute_async_script(RUN, context, more):
                self.found.setdefault(f"{page}: {fault}", set()).add(f"{width} {scheme}")
