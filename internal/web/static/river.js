// River UI sends JSON as text/plain, which any other web page could send, too.
// relabel takes changes only as application/json; this says so for River UI.
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
})();
