// The token view: draws the attention of the chosen prompt, layer, heads, token and edit. It computes only sums and means of shares.
(() => {
  "use strict";
  const unpacked = new Map();

  // Returns the shares of a pattern as head → query → key; see reports/attention_view.py.
  function unpack(pattern, heads) {
    if (!unpacked.has(pattern)) {
      const bytes = Uint8Array.from(atob(pattern), (sign) => sign.charCodeAt(0));
      const size = bytes.length / heads;
      unpacked.set(pattern, Array.from({ length: heads }, (_, head) => {
        const rows = [];
        for (let place = head * size; place < (head + 1) * size; place += rows.length) {
          rows.push(Array.from(bytes.subarray(place, place + rows.length + 1), (byte) => (byte / 255) ** 2));
        }
        return rows;
      }));
    }
    return unpacked.get(pattern);
  }

  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const overHeads = (pattern, heads) =>
    pattern[0].map((row, query) => row.map((_, key) => mean(heads.map((head) => pattern[head][query][key]))));
  const ofCategory = (row, tokens, category) =>
    row.reduce((sum, share, key) => sum + (tokens.categories[key] === category ? share : 0), 0);
  const ofAll = (rows, tokens, category) => mean(rows.map((row) => ofCategory(row, tokens, category)));
  const share = (value) => (value === 0 ? "0" : value < 0.005 ? "<0.01" : value.toFixed(2));
  const change = (before, after) => (after === null ? share(before) : `${share(before)} → ${share(after)}`);
  const signed = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(2);

  function element(name, properties = {}, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  // Returns a radio button with its label, for one of several tokens or edits.
  const radio = (name, value, checked) => element("input", { type: "radio", name, value, checked });

  function start(section) {
    const view = JSON.parse(section.querySelector("script[type='application/json']").textContent);
    const find = (selector) => section.querySelector(selector);
    const [prompts, layers, edits] = [".prompts", ".layers", ".edits"].map(find);
    const inputs = [...section.querySelectorAll(".head input")];
    const tokens = element("div", { className: "tokens attended" });
    tokens.setAttribute("role", "radiogroup");
    tokens.setAttribute("aria-label", "The token whose attention is shown");
    find("ol.tokens").replaceWith(tokens);
    for (const input of inputs) {
      const column = input.parentNode.querySelector(".column");
      column.after(element("span", { className: "value" }));
    }
    section.querySelectorAll(".choices, .answer, .heads").forEach((part) => { part.hidden = false; });

    const prompt = () => view.prompts[Number(prompts.value)];
    const checked = (part) => Number(part.querySelector("input:checked").value);
    const chosenHeads = () => inputs.find((input) => input.checked);
    const headsOf = (input) => input.value.split(" ").map(Number);

    // Makes the tokens and the edits of the chosen prompt. The last token is chosen first: there the answer begins.
    function changePrompt() {
      const { texts, labels, categories } = prompt().tokens;
      const last = texts.length - 1;
      tokens.replaceChildren(...texts.map((text, place) => element(
        "span", { className: `token look-${categories[place]}`, title: labels[categories[place]] },
        radio(`${section.id}-token`, place, place === last),
        element("bdi", { textContent: text, ariaHidden: "true" }),
        element("span", { className: "part", ariaHidden: "true" }),
      )));
      const names = ["none", ...prompt().edits.map((edit) => edit.name)];
      edits.replaceChildren(edits.firstElementChild, ...names.map((name, place) =>
        element("label", {}, radio(`${section.id}-edit`, place - 1, place === 0), ` ${name}`)));
      draw();
    }

    function drawTokens(row, place) {
      const { texts, labels, categories } = prompt().tokens;
      [...tokens.children].forEach((token, key) => {
        const later = key > place;
        token.classList.toggle("chosen", key === place);
        token.classList.toggle("later", later);
        token.style.setProperty("--share", later ? 0 : Math.sqrt(row[key]));
        token.querySelector(".part").textContent = later ? "–" : share(row[key]);
        token.firstElementChild.ariaLabel = `${texts[key]}, ${labels[categories[key]]}, `
          + (later ? "comes later" : `gets ${share(row[key])}`);
      });
    }

    function drawShares(before, after, place) {
      const asked = prompt().tokens;
      find(".shares tbody").replaceChildren(...asked.labels.map((label, category) => {
        const quantity = category === view.category ? ` (${view.quantity})` : "";
        const cell = (of) => {
          const [was, is] = [of(before), after && of(after)];
          const bar = element("span", { className: `look-${category}` });
          bar.style.setProperty("--width", is ?? was);
          return element("td", {}, change(was, is), element("span", { className: "track" }, bar));
        };
        return element("tr", { className: quantity && "main" },
          element("th", { scope: "row" }, element("b", { className: `key look-${category}` }), ` ${label}${quantity}`),
          cell((rows) => ofCategory(rows[place], asked, category)), cell((rows) => ofAll(rows, asked, category)));
      }));
    }

    function drawHeads(pattern) {
      for (const input of inputs) {
        const value = ofAll(overHeads(pattern, headsOf(input)), prompt().tokens, view.category);
        const label = input.parentNode;
        label.querySelector(".column").style.setProperty("--width", value);
        label.querySelector(".value").textContent = share(value);
        input.ariaLabel = `${input.dataset.name}, ${view.quantity} ${share(value)}`;
      }
    }

    function drawTable(before, after, place) {
      const { texts, labels, categories } = prompt().tokens;
      find(".by-token tbody").replaceChildren(...texts.map((text, key) => element("tr", {},
        element("td", { textContent: key + 1 }), element("td", {}, element("bdi", { textContent: text })),
        element("td", { textContent: labels[categories[key]] }),
        element("td", { textContent: key > place ? "–" : change(before[place][key], after && after[place][key]) }))));
    }

    function answer({ margin }) {
      const { right, wrong } = prompt();
      const given = margin > 0 ? right && `the right answer, ${right}` : wrong && `the wrong answer, ${wrong}`;
      return `margin ${signed(margin)} logits` + (given ? `: ${given}` : "");
    }

    function draw() {
      const layer = Number(layers.value);
      const editable = layer === view.layer;
      edits.disabled = !editable;
      const edit = editable ? prompt().edits[checked(edits)] : undefined;
      const input = chosenHeads();
      const place = checked(tokens);
      const [own, changed] = [prompt().patterns[layer], edit && edit.pattern].map((p) => p && unpack(p, view.n_heads));
      const before = overHeads(own, headsOf(input));
      const after = changed ? overHeads(changed, headsOf(input)) : null;
      const shown = after || before;
      drawTokens(shown[place], place);
      drawShares(before, after, place);
      drawHeads(changed || own);
      drawTable(before, after, place);
      const { texts, labels } = prompt().tokens;
      const main = ofCategory(shown[place], prompt().tokens, view.category);
      // An element isolates the text of the token, which may change the direction of the line.
      find(".state").replaceChildren(
        `Layer ${layer}, ${input.dataset.name}${edit ? `, after the edit “${edit.name}”` : ""}: token ${place + 1}, “`,
        element("bdi", { textContent: texts[place] }),
        `”, gives ${share(main)} of its attention to ${labels[view.category]}.`
        + " The stronger the shading of a token, the more it gets.",
      );
      find(".answer").textContent = `Unedited, ${answer(prompt())}.` + (edit ? ` After the edit, ${answer(edit)}.` : "")
        + (editable ? "" : ` Edits change layer ${view.layer} only.`);
    }

    prompts.addEventListener("change", changePrompt);
    for (const part of [layers, edits, tokens, find(".heads")]) part.addEventListener("change", draw);
    changePrompt();
  }

  document.querySelectorAll(".token-view").forEach(start);
})();
