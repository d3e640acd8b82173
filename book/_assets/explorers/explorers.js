/* The frame of every explorer: it loads what an explorer needs when the reader comes
   near, joins controls, charts and numbers, and shows it once it works.

   An explorer is two files. NAME.json declares controls, numbers and charts, the charts
   in Vega-Lite; the site's extension writes them into the page. NAME.js computes:

       explorers.NAME = (data) => (inputs, pressed) => ({ tables, numbers, says });

   data: the numbers of the chapter, from its notebook.
   inputs: the value of each control, by name: a number, a text, or true and false.
   pressed: the name of the button that asks; "tick" when time does; else null.
   tables: the rows of each table of the charts, by name. One that is the same array as
   before is not drawn again. A chart all of whose tables are empty is not shown.
   numbers: the value of each number shown, by name: a number, a text, or a matrix, as
   a list of its rows.
   says: a sentence for the reader, which a screen reader speaks.
   controls (may be left out): values to put into controls, by name.
   again (may be left out): milliseconds after which to ask again, with "tick".

   In NAME.json, a range that "needs" a check is disabled without it. A number that is a
   "matrix" has room for two rows. A chart that is "square" has a square place; one
   parameter keeps what is drawn in it square, too:
   "params": [{ "name": "height", "expr": "width" }], with "autosize": "fit-x". A chart
   that another gives way to is "hidden" at first, so that their place keeps its size.
   One whose "usermeta" has {"sets": {"x": control, "y": control}} puts the place of a
   click into these controls. */

"use strict";

const explorers = {};

{
  const folder = new URL(".", document.currentScript.src);
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const NEAR = "1000px"; // how far below the window an explorer begins to load
  const SETTLE = 100; // milliseconds without a change before charts take their size
  const PAUSE = 600; // milliseconds without a change before a slider is spoken of

  // What each colour means in the whole book, as in LOOKS of mle_helpers.
  const looks = {
    data: { color: "#767676" },
    truth: { color: "#000000", strokeDash: [8, 4] },
    "closed-form": { color: "#d55e00", strokeDash: [2, 3] },
    "gradient-fit": { color: "#0072b2" },
  };
  const config = {
    autosize: { type: "fit", contains: "padding" },
    font: "system-ui, sans-serif",
    background: "transparent",
    view: { stroke: null },
    axis: { grid: false, labelFontSize: 13, titleFontSize: 14, titleFontWeight: "normal" },
    // Above the axis and level, so that a low chart has room for its words.
    axisY: { titleAngle: 0, titleAlign: "left", titleAnchor: "end", titleX: -36, titleY: -10 },
    style: looks,
  };

  const loaded = {};

  function load(file) {
    loaded[file] ??= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = new URL(file, folder);
      script.onload = resolve;
      script.onerror = () => reject(new Error(`${file} cannot be loaded`));
      document.head.append(script);
    });
    return loaded[file];
  }

  async function draw(place, spec) {
    const container = document.createElement("div");
    container.ariaHidden = "true"; // a chart has one description, not one for each mark
    place.append(container);
    const compiled = vegaLite.compile({ config, ...spec }).spec;
    const view = new vega.View(vega.parse(compiled), { container, renderer: "svg" });
    await view.runAsync();
    return { view, tables: new Set(compiled.data.map((each) => each.name)) };
  }

  // Draw beside an entry of the key how that looks in the charts.
  function swatch(entry) {
    const { color, strokeDash = [] } = looks[entry.dataset.look];
    entry.insertAdjacentHTML(
      "afterbegin",
      `<svg width="32" height="8" aria-hidden="true"><path d="M0 4H32" stroke="${color}"
        stroke-width="3" stroke-dasharray="${strokeDash}"/></svg> `,
    );
  }

  function value(control) {
    if (control.type === "checkbox") return control.checked;
    return control.type === "range" ? control.valueAsNumber : control.value;
  }

  async function start(root) {
    const { name, data, charts: specs } = JSON.parse(
      root.querySelector("script").textContent,
    );
    await load("vega.min.js");
    await Promise.all([load("vega-lite.min.js"), load(`${name}.js`)]);

    const form = root.querySelector("form");
    const controls = [...form.querySelectorAll("input, select")];
    root.querySelectorAll("[data-look]").forEach(swatch);
    const says = root.querySelector(".explorer-says");
    const places = root.querySelectorAll(".explorer-chart");
    const charts = await Promise.all(specs.map((spec, i) => draw(places[i], spec)));
    const ask = explorers[name](data);
    const drawn = {};
    let next, speech;

    function inputs() {
      return Object.fromEntries(controls.map((each) => [each.name, value(each)]));
    }

    function set(values) {
      for (const control of controls) {
        if (!(control.name in values)) continue;
        const property = control.type === "checkbox" ? "checked" : "value";
        control[property] = values[control.name];
      }
    }

    function label() {
      for (const control of controls) {
        const { needs } = control.dataset;
        control.disabled = Boolean(needs) && !form.elements[needs].checked;
        const shown = control.parentElement.querySelector(".explorer-value");
        if (shown) shown.textContent = minus(control.value);
      }
    }

    async function show(pressed) {
      clearTimeout(next);
      let answer = ask(inputs(), pressed);
      // Who asked for less motion sees the end at once.
      while (answer.again && still.matches) answer = ask(inputs(), "tick");
      if (answer.again) next = setTimeout(show, answer.again, "tick");
      set(answer.controls ?? {});
      label();
      for (const [key, number] of Object.entries(answer.numbers)) {
        write(root.querySelector(`[data-number="${key}"]`), number);
      }
      clearTimeout(speech);
      if (!answer.again) {
        const speak = () => (says.textContent = minus(answer.says));
        speech = setTimeout(speak, pressed ? 0 : PAUSE);
      }
      const changed = Object.entries(answer.tables).filter(
        ([key, rows]) => drawn[key] !== rows,
      );
      Object.assign(drawn, answer.tables);
      const hidden = charts.map(({ tables }) =>
        [...tables].every((key) => !drawn[key]?.length),
      );
      if (hidden.some((each, i) => each !== places[i].hidden)) {
        places.forEach((place, i) => (place.hidden = hidden[i]));
        dispatchEvent(new Event("resize")); // the others have more room, or less
      }
      await Promise.all(
        charts.map(({ view, tables }) => {
          for (const [key, rows] of changed) {
            if (tables.has(key)) view.data(key, rows);
          }
          return view.runAsync();
        }),
      );
    }

    // Where in the chart a click was, into the controls that it names.
    function point(place, view, { x, y }) {
      place.style.cursor = "crosshair";
      place.addEventListener("click", ({ clientX, clientY }) => {
        const box = place.getBoundingClientRect();
        const [padding, [left, top]] = [view.padding(), view.origin()];
        set({
          [x]: view.scale("x").invert(clientX - box.left - padding.left - left),
          [y]: view.scale("y").invert(clientY - box.top - padding.top - top),
        });
        show(null);
      });
    }

    charts.forEach(({ view }, i) => {
      const { sets } = specs[i].usermeta ?? {};
      if (sets) point(places[i], view, sets);
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => show(null));
    form.addEventListener("click", ({ target }) => {
      if (target.type === "button") show(target.name);
    });
    await show("start");
    await Promise.all(charts.map(({ view }) => view.resize().runAsync())); // axes are known
    root.classList.add("explorer-ready");
    if (root.matches(".explorer-plays")) show("play");
    // Charts follow the window, whose size may change before side bars have moved.
    let settled;
    new ResizeObserver(() => {
      clearTimeout(settled);
      settled = setTimeout(() => dispatchEvent(new Event("resize")), SETTLE);
    }).observe(root.querySelector(".explorer-charts"));
  }

  // A matrix is written as maths, which screen readers tell row by row.
  function write(place, number) {
    if (!Array.isArray(number)) {
      place.textContent = format(number);
      return;
    }
    const rows = number.map((row) => {
      const cells = row.map((each) => `<mtd><mn>${format(each)}</mn></mtd>`);
      return `<mtr>${cells.join("")}</mtr>`;
    });
    place.innerHTML = `<math><mtable>${rows.join("")}</mtable></math>`;
  }

  // Put minus signs before numbers where there are hyphens.
  function minus(text) {
    return text.replace(/-(?=\d)/g, "\u2212");
  }

  function format(number) {
    if (typeof number === "string") return minus(number);
    if (!Number.isFinite(number)) return String(number);
    const size = Math.abs(number);
    const digits = size >= 1e6 || (size < 1e-4 && size > 0) ? "e" : "f";
    return minus(digits === "e" ? number.toExponential(4) : number.toFixed(4));
  }

  function begin(entries, observer) {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      observer.unobserve(target);
      start(target).catch((error) => {
        target.classList.add("explorer-failed");
        console.warn(error);
      });
    }
  }

  // One that plays is near the top: it waits until it is seen.
  const near = new IntersectionObserver(begin, { rootMargin: NEAR });
  const seen = new IntersectionObserver(begin);
  for (const each of document.querySelectorAll(".explorer")) {
    (each.matches(".explorer-plays") ? seen : near).observe(each);
  }
}
