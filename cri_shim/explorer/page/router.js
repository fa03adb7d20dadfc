// Shows the view that the address names, by the table of views that main.js gives.

import { onAddress, parsed } from "./address.js";

const TITLE = "cri-shim: the bill of the hop";

/** Name the tab after what is shown; a view calls it when it knows more than the address says. */
export function setTitle(text) {
  document.title = `${text} · cri-shim`;
}

/** Follow the address from now on; one that names no view shows `fallback`. Returns a function that returns the shown view. */
export function route(views, fallback) {
  let shown = null;
  let titled = "";
  const follow = () => {
    if (location.hash && !location.hash.startsWith("#/")) return; // a link within the page
    const address = parsed();
    const name = Object.hasOwn(views, address.view) ? address.view : fallback;
    shown = views[name];
    for (const { section } of Object.values(views)) document.getElementById(section).hidden = section !== shown.section;
    for (const link of document.querySelectorAll("nav a")) {
      if (link.dataset.view === (shown.nav ?? shown.section)) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    document.body.dataset.open = name;
    if (titled !== `${name}/${address.argument}`) {
      titled = `${name}/${address.argument}`;
      if (shown.title) setTitle(shown.title(address));
      else document.title = TITLE;
    }
    shown.show(address);
  };
  onAddress(follow);
  follow();
  return () => shown;
}
