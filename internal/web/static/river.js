// River UI sends JSON as text/plain, which any other web page could send, too.
// relabel accepts changes only as application/json, so this sets that header.
(() => {
  "use strict";
  const send = window.fetch;
  window.fetch = (target, options = {}) => {
    const method = (options.method || "GET").toUpperCase();
    if (method !== "GET" && method !== "HEAD") {
      const headers = new Headers(options.headers);
      headers.set("Content-Type", "application/json");
      options = { ...options, headers };
    }
    return send(target, options);
  };

  // River UI fills the window and has no link back.
  addEventListener("DOMContentLoaded", () => {
    const left = innerWidth < 1024 ? ".5rem" : "5.5rem"; // beside its side bar
    const back = document.createElement("a");
    back.href = "/";
    back.textContent = "← relabel";
    Object.assign(back.style, {
      position: "fixed", left, bottom: "1rem", zIndex: 50, padding: ".3rem .8rem", borderRadius: "99px",
      background: "#1f5fd0", color: "#fff", font: "14px system-ui, sans-serif", textDecoration: "none",
    });
    document.body.append(back);
  });
})();
