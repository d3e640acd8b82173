// What a reader with a keyboard needs, and the theme leaves out.

// What scrolls sideways is a stop of the Tab key, and says what it is. What fits is
// neither, and may come to scroll when the window narrows or an answer folds open.
const NAMES = {
  "main pre:not(.cell_output pre)": "Code",
  ".cell_output pre": "Output",
  ".formula": "Formula",
  ".cell_output > .output, .pst-scrollable-table-container": "Table",
};

function update(element, name) {
  const scrolls = element.scrollWidth > element.clientWidth;
  element.tabIndex = scrolls ? 0 : -1;
  for (const [key, value] of [["role", "group"], ["aria-label", name]]) {
    if (scrolls) element.setAttribute(key, value);
    else element.removeAttribute(key);
  }
}

for (const [selector, name] of Object.entries(NAMES)) {
  const observer = new ResizeObserver((entries) =>
    entries.forEach((entry) => update(entry.target, name)),
  );
  document.querySelectorAll(selector).forEach((element) => observer.observe(element));
}

// The theme takes the focus from a button once it is pressed, to be rid of its tooltip.
// Those who pressed a key keep their place.
for (const button of document.querySelectorAll("button")) {
  button.blur = () => {
    if (!button.matches(":focus-visible")) HTMLElement.prototype.blur.call(button);
  };
}
