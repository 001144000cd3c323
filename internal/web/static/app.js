// The theme button and the live figures. Without this script the pages still work:
// they show the figures of when they were loaded.
(() => {
  "use strict";
  const root = document.documentElement;

  // Set the theme before the page is drawn. Without a choice, the system decides.
  const stored = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  const store = (theme) => { try { localStorage.setItem("theme", theme); } catch { /* for this page only */ } };
  if (stored() === "dark" || stored() === "light") root.dataset.theme = stored();
  const isDark = () => root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;

  function themeButton() {
    const button = document.getElementById("theme");
    const show = () => {
      button.textContent = isDark() ? "Light" : "Dark";
      button.setAttribute("aria-label", button.textContent + " theme");
    };
    button.hidden = false;
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      store(root.dataset.theme);
      show();
    });
    show();
  }

  // follow updates a part of the page to its new version. It leaves equal nodes
  // alone, so that focus, selection and opened details are not lost.
  function follow(old, now) {
    if (old.nodeType !== now.nodeType || old.nodeName !== now.nodeName || (old.id || "") !== (now.id || "")) {
      old.replaceWith(now);
      return;
    }
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.data !== now.data) old.data = now.data;
      return;
    }
    for (const { name } of [...old.attributes]) {
      if (!now.hasAttribute(name) && name !== "open") old.removeAttribute(name);
    }
    for (const { name, value } of [...now.attributes]) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    const before = [...old.childNodes], after = [...now.childNodes];
    after.forEach((child, i) => (before[i] ? follow(before[i], child) : old.append(child)));
    before.slice(after.length).forEach((child) => child.remove());
  }

  const sayEvery = 60000; // ms: a screen reader should not talk all the time
  let said = 0;
  function say(text) {
    const place = document.getElementById("say");
    if (!text || Date.now() - said < sayEvery || place.textContent === text) return;
    said = Date.now();
    place.textContent = text;
  }

  function live(main) {
    const place = document.getElementById("live");
    const stale = document.getElementById("stale");
    const source = new EventSource(main.dataset.live);
    source.onopen = () => { stale.hidden = true; };
    source.onerror = () => {
      stale.textContent = source.readyState === EventSource.CLOSED
        ? "These figures are out of date: load this page again."
        : "The connection is lost and these figures are out of date. This page is reconnecting.";
      stale.hidden = false;
    };
    source.onmessage = (event) => {
      const box = document.createElement("template");
      box.innerHTML = event.data;
      const now = box.content.firstElementChild, old = place.firstElementChild;
      if (now?.dataset?.state === undefined) return; // a part of an event, or none of ours
      if (now.dataset.state !== old.dataset.state) { // the rest of the page has changed, too
        source.close();
        location.reload();
        return;
      }
      follow(old, now);
      say(now.dataset.say);
    };
    addEventListener("pagehide", () => source.close());
    // The figures that a form changes may arrive before its answer. Loading the page for
    // them would cancel the answer.
    addEventListener("submit", (event) => { if (!event.defaultPrevented) source.close(); });
  }

  // "/" searches; "g" and a letter goes to a page.
  const places = { o: "/", b: "/batches", u: "/upload", s: "/schedules", t: "/sites", a: "/assets", l: "/log" };
  function keys() {
    let going = 0;
    addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input:not([type=checkbox]), select, textarea")) return;
      if (event.key === "/") {
        const search = document.querySelector("main input[type=search]");
        event.preventDefault();
        if (search) search.focus(); else location.assign("/batches");
      } else if (event.key === "g") {
        going = Date.now();
      } else {
        if (Date.now() - going < 1500 && Object.hasOwn(places, event.key)) location.assign(places[event.key]);
        going = 0;
      }
    });
  }

  // The times of a cron expression in words, while a person types it.
  function times(place) {
    const { cron, tz } = place.closest("form").elements;
    let wait = 0, asked = 0;
    const ask = async () => {
      const mine = ++asked;
      const query = new URLSearchParams({ cron: cron.value, tz: tz.value });
      const answer = await fetch(place.dataset.times + "?" + query).catch(() => null);
      if (answer?.ok && mine === asked) place.innerHTML = await answer.text();
    };
    place.closest("form").querySelector("[name=check]").remove(); // for browsers without scripts
    for (const field of [cron, tz]) {
      field.addEventListener("input", () => { clearTimeout(wait); wait = setTimeout(ask, 300); });
    }
  }

  // A CSV may be dropped anywhere on its form. If its columns have other names, the form
  // asks which is which. The size is that of headSize in columns.go.
  function upload(place) {
    const form = place.closest("form"), file = form.elements.file;
    const over = (on) => (event) => { event.preventDefault(); form.classList.toggle("over", on); };
    form.addEventListener("dragover", over(true));
    form.addEventListener("dragleave", over(false));
    form.addEventListener("drop", (event) => {
      over(false)(event);
      if (event.dataTransfer.files.length !== 1) return;
      file.files = event.dataTransfer.files;
      file.dispatchEvent(new Event("change"));
    });
    file.addEventListener("change", async () => {
      const chosen = file.files[0];
      place.innerHTML = "";
      if (!chosen) return;
      const answer = await fetch(place.dataset.columns, { method: "POST", body: chosen.slice(0, 65536) }).catch(() => null);
      if (answer?.ok && file.files[0] === chosen) place.innerHTML = await answer.text();
    });
  }

  addEventListener("DOMContentLoaded", () => {
    themeButton();
    keys();
    const typed = document.querySelector("[data-times]");
    if (typed) times(typed);
    const columns = document.querySelector("[data-columns]");
    if (columns) upload(columns);
    const main = document.getElementById("main");
    if (main.dataset.live && window.EventSource) live(main);
    // A form that was sent once is not sent again by a second click.
    addEventListener("submit", (event) => {
      if (event.submitter?.dataset.stays !== undefined) return; // a download leaves the page as it is
      for (const button of event.target.querySelectorAll("button")) setTimeout(() => {
        if (!button.disabled) { button.disabled = true; button.dataset.sent = ""; }
      });
    });
    addEventListener("pageshow", () => { for (const b of document.querySelectorAll("button[data-sent]")) { b.disabled = false; delete b.dataset.sent; } });
  });
})();
