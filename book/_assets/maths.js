// A formula that is copied gives its LaTeX, not a symbol a line.

"use strict";

document.addEventListener("copy", (event) => {
  const selection = getSelection();
  if (!selection.rangeCount) return;
  const range = selection.getRangeAt(0).cloneRange();
  const formula = (node) => (node.closest ? node : node.parentElement).closest("math");
  const [first, last] = [formula(range.startContainer), formula(range.endContainer)];
  if (first) range.setStartBefore(first); // a part of a formula is no LaTeX
  if (last) range.setEndAfter(last);
  const copied = document.createElement("div");
  copied.append(range.cloneContents());
  const formulas = copied.querySelectorAll("math");
  if (!formulas.length) return;
  event.clipboardData.setData("text/html", copied.innerHTML);
  for (const each of formulas) {
    const marks = each.getAttribute("display") === "block" ? "$$" : "$";
    each.replaceWith(marks + each.querySelector("annotation").textContent.trim() + marks);
  }
  document.body.append(copied); // where it has the line breaks that are seen
  event.clipboardData.setData("text/plain", copied.innerText);
  copied.remove();
  event.preventDefault();
});
