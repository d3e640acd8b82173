// What the search page shows of each page that it found: the passage with the words, and
// nothing of the frame around the text. Sphinx looks in the text for stems such as
// "choleski", finds none, and shows the top of the page.

"use strict";

{
  const PARTS = /_|(?<=[a-z])(?=[A-Z])/; // of a name, as in mle_book.site.search
  const PASSAGES = "p, li, dt, pre, th, td";
  const NO_TEXT = "annotation, style, .headerlink, .explorer";
  const [BEFORE, LENGTH] = [12, 40]; // words shown: before the one that was found, in all
  const stemmer = new Stemmer();

  // Whether a piece of text has the term, in a form of it or as a part of a name.
  function has(text, term) {
    const words = splitQuery(text).flatMap((word) => [word, ...word.split(PARTS)]);
    return words.some((word) => stemmer.stemWord(word.toLowerCase()).includes(term));
  }

  Search.makeSearchSummary = (html, terms, anchor) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    const article = page.querySelector(".bd-article");
    const part = (anchor && article.querySelector(anchor)) || article;
    part.querySelectorAll(NO_TEXT).forEach((each) => each.remove());
    let [best, most] = [[], 0];
    for (const { textContent } of part.querySelectorAll(PASSAGES)) {
      const found = [...terms].filter((term) => has(textContent, term)).length;
      if (found > most) [best, most] = [textContent.trim().split(/\s+/), found];
    }
    const hit = best.findIndex((word) => [...terms].some((term) => has(word, term)));
    const from = hit < LENGTH - BEFORE ? 0 : hit - BEFORE;
    const words = best.slice(from, from + LENGTH);
    const summary = document.createElement("p");
    summary.className = "context";
    summary.textContent = [
      ...(from > 0 ? ["…"] : []),
      ...words,
      ...(from + LENGTH < best.length ? ["…"] : []),
    ].join(" ");
    return summary;
  };
}
