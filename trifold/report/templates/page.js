"use strict";
(() => {
  const keys = [...document.querySelectorAll(".choices fieldset")].map((field) => field.dataset.key);
  const show = () => {
    const chosen = Object.fromEntries(
      keys.map((key) => [key, document.querySelector(`input[name="${key}"]:checked`).value]),
    );
    for (const group of document.querySelectorAll(".views")) {
      let any = false;
      for (const view of group.querySelectorAll(":scope > .view")) {
        const on = keys.every((key) => !(key in view.dataset) || view.dataset[key] === chosen[key]);
        view.classList.toggle("on", on);
        any ||= on;
      }
      group.classList.toggle("empty", !any);
    }
  };
  document.querySelector(".choices")?.addEventListener("change", show);
  show();

  const links = new Map([...document.querySelectorAll("nav a")].map((a) => [a.getAttribute("href").slice(1), a]));
  const seen = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        for (const link of links.values()) link.removeAttribute("aria-current");
        links.get(entry.target.id)?.setAttribute("aria-current", "true");
      }
    },
    { rootMargin: "-15% 0px -75% 0px" },
  );
  for (const section of document.querySelectorAll("main > section[id]")) seen.observe(section);
})();
