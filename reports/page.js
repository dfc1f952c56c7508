"use strict";
// Filters the claims and copies commands. The filter is in the address, so that a link, a reload and the back button
// restore it. Without this script the page shows everything.
(() => {
  const form = document.getElementById("filter");
  const find = document.getElementById("find");
  const narrow = matchMedia("(max-width: 60rem)");
  const entries = document.querySelectorAll(".entry");
  const claims = [...document.querySelectorAll("article")].map((article, index) => ({
    article,
    entry: entries[index],
    text: `${article.querySelector("h4").textContent} ${article.querySelector(".text").textContent}`.toLowerCase(),
  }));
  const fields = () => [...new FormData(form)].filter(([, value]) => value !== "");
  const hide = (element, hidden) => element.classList.toggle("filtered", hidden);

  function restore() {
    const asked = new URLSearchParams(location.search);
    for (const box of form.querySelectorAll("[name=verdict]")) box.checked = asked.getAll("verdict").includes(box.value);
    for (const name of ["q", "theory", "experiment"]) {
      const field = form.elements[name];
      field.value = asked.get(name) ?? "";
      if (field.selectedIndex === -1) field.value = ""; // the address names a theory that this report does not have
    }
    show();
  }

  function show() {
    const asked = new FormData(form);
    const verdicts = asked.getAll("verdict");
    const sought = asked.get("q").toLowerCase().split(/\s+/);
    const fits = ({ article: { dataset }, text }) =>
      (verdicts.length === 0 || verdicts.includes(dataset.verdict)) &&
      ["theory", "experiment"].every((name) => ["", dataset[name]].includes(asked.get(name))) &&
      sought.every((word) => text.includes(word));
    let shown = 0;
    for (const claim of claims) {
      const fit = fits(claim);
      shown += fit;
      hide(claim.article, !fit);
      hide(claim.entry, !fit);
    }
    for (const section of document.querySelectorAll(".experiment, .theory, .group")) {
      const inside = section.querySelectorAll("article, .entry");
      hide(section, inside.length > 0 && [...inside].every((one) => one.classList.contains("filtered")));
    }
    for (const group of form.querySelectorAll("optgroup")) group.hidden = !["", group.dataset.theory].includes(asked.get("theory"));
    document.getElementById("shown").value = `${shown} of ${claims.length} claims shown`;
    document.getElementById("nothing").hidden = shown > 0;
    form.querySelector(".all").hidden = fields().length === 0;
  }

  // A search replaces the address. Otherwise the back button would take away one letter of it at a time.
  function changed(event) {
    if (event.target.name === "theory") form.elements.experiment.value = "";
    show();
    const query = new URLSearchParams(fields()).toString();
    const address = location.pathname + (query && `?${query}`) + location.hash;
    history[event.target.name === "q" ? "replaceState" : "pushState"](null, "", address);
  }

  function clear() {
    form.reset();
    changed({ target: form });
  }

  // A link to a claim must lead to it, whatever the filter hides.
  function reveal() {
    const target = document.querySelector(":target.filtered");
    if (target) clear();
    target?.scrollIntoView();
  }

  async function copy(button) {
    const code = button.previousElementSibling;
    let done = "Copied";
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      getSelection().selectAllChildren(code);
      done = "Selected: press Ctrl+C";
    }
    const label = button.firstChild.data;
    button.firstChild.data = document.getElementById("said").textContent = done;
    setTimeout(() => (button.firstChild.data = label), 2000);
  }

  form.hidden = false;
  find.open = !narrow.matches;
  narrow.addEventListener("change", () => (find.open = !narrow.matches));
  form.addEventListener("input", changed);
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const button of document.querySelectorAll(".all")) button.addEventListener("click", clear);
  for (const link of find.querySelectorAll("a")) link.addEventListener("click", () => (find.open = !narrow.matches));
  for (const button of document.querySelectorAll(".copy")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }
  addEventListener("popstate", restore);
  addEventListener("hashchange", reveal);
  restore();
  reveal();
})();
