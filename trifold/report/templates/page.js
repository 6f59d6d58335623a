"use strict";
(() => {
  const keys = [...document.querySelectorAll(".choices fieldset")].map((field) => field.dataset.key);
  // The keyboard stops at regions that scroll, and at hidden ones, because these may scroll once they are shown.
  const stops = () => {
    for (const region of document.querySelectorAll(".scroll")) {
      region.tabIndex = region.clientWidth && region.scrollWidth <= region.clientWidth ? -1 : 0;
    }
  };
  const show = () => {
    const chosen = Object.fromEntries(
      keys.map((key) => [key, document.querySelector(`input[name="${key}"]:checked`).value]),
    );
    for (const group of document.querySelectorAll(".views")) {
      const views = [...group.querySelectorAll(":scope > .view")];
      const fits = (view) =>
        keys.every((key) => key === "against" || !(key in view.dataset) || view.dataset[key] === chosen[key]);
      // The chosen reference arm may belong to another low map: then the first arm of this low map takes its place.
      const offered = views.filter((view) => fits(view) && "against" in view.dataset).map((view) => view.dataset.against);
      const against = offered.includes(chosen.against) ? chosen.against : offered[0];
      for (const view of views) {
        view.classList.toggle("on", fits(view) && (!("against" in view.dataset) || view.dataset.against === against));
      }
      group.classList.toggle("empty", !views.some(fits));
    }
    stops();
  };
  document.querySelector(".choices")?.addEventListener("change", show);
  addEventListener("resize", stops);
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
