// Shows the view that the address names. A view is one entry of the table that main.js gives: the section that it fills, `show`, and optionally its title.

import { onAddress, parsed } from "./address.js";

const TITLE = "cri-shim: the bill of the hop";

/** Follow the address from now on. `views` has an entry for each first word of an address; another word shows `fallback`. */
export function route(views, fallback) {
  const follow = () => {
    if (location.hash && !location.hash.startsWith("#/")) return; // a link within the page
    const address = parsed();
    const name = Object.hasOwn(views, address.view) ? address.view : fallback;
    const view = views[name];
    for (const { section } of Object.values(views)) document.getElementById(section).hidden = section !== view.section;
    for (const link of document.querySelectorAll("nav a")) {
      if (link.dataset.view === view.section) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    document.body.dataset.open = name;
    document.title = view.title ? `${view.title(address)} · cri-shim` : TITLE;
    view.show(address);
  };
  onAddress(follow);
  follow();
}
