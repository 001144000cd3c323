// The page of assets: edits are shown and counted, and kept while a person pages through the
// list; keys move, select and edit. Without this script the form plans what is edited on one page.
(() => {
  "use strict";
  const store = (key, value) => { try { value ? sessionStorage.setItem(key, JSON.stringify(value)) : sessionStorage.removeItem(key); } catch { /* for this page only */ } };
  const stored = (key) => { try { return JSON.parse(sessionStorage.getItem(key)); } catch { return null; } };
  const plural = (n, one, many) => n.toLocaleString("en") + " " + (n === 1 ? one : many);

  function begin(form) {
    const editsKey = "edits of " + form.dataset.site, selectedKey = "selected of " + form.dataset.site;
    form.dataset.selection = selectedKey;
    const edits = stored(editsKey) || {};
    const selected = new Set(stored(selectedKey) || []);
    const rows = [...form.querySelectorAll("[data-asset]")];
    const field = (row, name) => row.querySelector(`[name=${name}]`);
    const plan = document.getElementById("plan-edits");
    const shown = new Set(rows.map((row) => row.dataset.asset));

    const values = (row) => Object.fromEntries(["was-name", "name", "was-alt", "alt"].map((name) => [name, field(row, name).value]));
    const oneLine = (text) => text.replace(/[\r\n]/g, "");
    const edited = (v, name) => oneLine(v[name]) !== oneLine(v["was-" + name]);

    function mark(row) {
      const v = values(row);
      for (const name of ["name", "alt"]) {
        const cell = field(row, name).parentElement;
        cell.classList.toggle("edited", edited(v, name));
        cell.querySelector(".was").textContent = edited(v, name) ? v["was-" + name] || "no alt text" : "";
      }
      if (edited(v, "name") || edited(v, "alt")) edits[row.dataset.asset] = v; else delete edits[row.dataset.asset];
    }

    function count() {
      const all = Object.keys(edits), away = all.filter((id) => !shown.has(id)).length;
      plan.textContent = all.length ? "Plan " + plural(all.length, "change", "changes") : "Plan the changes";
      plan.disabled = all.length === 0;
      const place = document.getElementById("elsewhere");
      place.textContent = "";
      if (away) {
        const discard = Object.assign(document.createElement("button"), { type: "button", className: "quiet", textContent: "Discard all edits" });
        discard.addEventListener("click", () => { store(editsKey, null); location.reload(); });
        place.append(` ${plural(away, "edited asset is", "edited assets are")} on other pages. `, discard);
      }
      store(editsKey, all.length ? edits : null);
    }

    function select() {
      for (const row of rows) {
        const box = field(row, "select");
        row.classList.toggle("selected", box.checked);
        box.checked ? selected.add(box.value) : selected.delete(box.value);
      }
      document.getElementById("selected").textContent = selected.size ? `, ${selected.size.toLocaleString("en")} selected` : "";
      store(selectedKey, selected.size ? [...selected] : null);
    }

    // What a person sees when a page is left and shown again comes from here, not from the browser.
    for (const row of rows) {
      field(row, "select").checked = selected.has(row.dataset.asset);
      const kept = edits[row.dataset.asset];
      if (!plan) continue;
      field(row, "name").value = kept ? kept.name : field(row, "was-name").value;
      field(row, "alt").value = kept ? kept.alt : field(row, "was-alt").value;
      mark(row);
    }
    if (plan) count();
    select();

    form.addEventListener("input", (event) => {
      const row = event.target.closest("[data-asset]");
      if (!row || event.target.type === "checkbox") return;
      mark(row);
      count();
    });
    form.addEventListener("change", select);

    // The form takes along what was edited and selected on other pages.
    form.addEventListener("submit", (event) => {
      const add = (name, value) => form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value, className: "away" }));
      for (const old of form.querySelectorAll(".away")) old.remove();
      if (event.submitter?.dataset.stays !== undefined) {
        for (const id of selected) if (!shown.has(id)) add("select", id);
        return;
      }
      for (const [id, v] of Object.entries(edits)) {
        if (shown.has(id)) continue;
        add("id", id);
        for (const [name, value] of Object.entries(v)) add(name, value);
      }
      store("planned", editsKey);
    });

    keys(form, rows, field);
    const ruled = document.querySelector("#rule form");
    if (ruled) rule(ruled, selected, form);
  }

  // Old and new names while a person types a rule. It is for the selected assets, if there are any.
  function rule(form, selected, list) {
    const place = document.getElementById("preview");
    let wait = 0, asking = new AbortController();
    const choose = () => {
      for (const old of form.querySelectorAll(".away")) old.remove();
      for (const id of selected) form.append(Object.assign(document.createElement("input"), { type: "hidden", name: "select", value: id, className: "away" }));
    };
    const ask = async () => {
      asking.abort(); // an older rule is of no use any more
      const { signal } = asking = new AbortController();
      choose();
      const answer = await fetch(place.dataset.preview, { method: "POST", body: new URLSearchParams(new FormData(form)), signal }).catch(() => null);
      const text = answer?.ok ? await answer.text().catch(() => "") : "";
      if (answer && !signal.aborted) place.innerHTML = text;
    };
    const later = () => { clearTimeout(wait); wait = setTimeout(ask, 300); };
    form.querySelector("[data-scriptless]").remove();
    form.addEventListener("input", later);
    form.addEventListener("keydown", (event) => { if (event.key === "Enter" && event.target.type === "text") event.preventDefault(); });
    form.addEventListener("submit", () => { choose(); store(list.dataset.selection, null); });
    list.addEventListener("change", later);
    if (selected.size) ask();
  }

  // Arrows move between the assets, space selects, Enter edits; in a field, Enter goes to the next
  // asset and Escape puts the old text back.
  function keys(form, rows, field) {
    const columns = () => { // of the grid; a table has one
      const top = rows[0].offsetTop;
      return Math.max(1, rows.filter((row) => row.offsetTop === top).length);
    };
    const go = (event, at, name) => {
      event.preventDefault();
      const to = rows[at] && field(rows[at], name);
      if (!to) return;
      to.focus();
      if (to.type === "text") to.select();
    };
    form.addEventListener("keydown", (event) => {
      const at = rows.indexOf(event.target.closest("[data-asset]"));
      if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
      const { type, name } = event.target;
      const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns(), ArrowDown: columns() }[event.key];
      if (type === "checkbox" && step) go(event, at + step, "select");
      else if (type === "checkbox" && event.key === "Enter") go(event, at, "name");
      else if (type === "text" && event.key === "Enter") go(event, Math.min(at + 1, rows.length - 1), name);
      else if (type === "text" && event.key === "Escape") {
        event.target.value = field(rows[at], "was-" + name).value;
        event.target.dispatchEvent(new Event("input", { bubbles: true }));
        go(event, at, "select");
      }
    });
  }

  addEventListener("pageshow", () => {
    const form = document.getElementById("assets");
    const planned = stored("planned"); // edits that were sent: of use only if they were refused
    store("planned", null);
    if (planned && !document.querySelector(".flash.bad")) store(planned, null);
    if (form && !form.dataset.begun) { form.dataset.begun = "1"; begin(form); }
  });
})();
