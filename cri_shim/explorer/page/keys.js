// The keys of the page. Each view says what they do in it; a key that is typed into a field is text.

import { h } from "./dom.js";
import { searchRequests } from "./request_list.js";
import { sourceIsOpen } from "./sources.js";

const KEYS = [
  ["/", "search"],
  ["j k", "next and previous row; while a request is open, open that one"],
  ["↑ ↓ Home End", "move in a list that has the focus"],
  ["Enter", "open the row"],
  ["n p", "next and previous request of the same pod"],
  ["Esc", "back to the list"],
  ["?", "these keys"],
];

const dialog = h("dialog", { class: "keys", id: "keys", "aria-labelledby": "keys-title" },
  h("h2", { id: "keys-title" }, "Keys"),
  h("dl", {}, ...KEYS.map(([keys, what]) => h("div", {}, h("dt", {}, ...keys.split(" ").map((key) => h("kbd", {}, key))), h("dd", {}, what)))),
  h("form", { method: "dialog" }, h("button", {}, "Close")));

/** Follow the keys. `view()` returns the shown view, with `move(by)`, `search()` and `back()` as far as it has them. */
export function initKeys(view, button) {
  document.body.append(dialog);
  button.addEventListener("click", () => dialog.showModal());
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const typing = event.target.closest?.("input:not([type=checkbox]), select, textarea");
    if (event.key === "Escape") {
      if (typing) typing.blur();
      else if (!sourceIsOpen()) view().back?.();
      return;
    }
    const action = typing ? null : actions[event.key];
    if (!action) return;
    event.preventDefault();
    action(view());
  });
}

const actions = {
  "?": () => dialog.showModal(),
  "/": ({ search = searchRequests }) => search(),
  j: ({ move }) => move?.(1),
  k: ({ move }) => move?.(-1),
  n: () => document.querySelector("main > section:not([hidden]) a[rel=next]")?.click(),
  p: () => document.querySelector("main > section:not([hidden]) a[rel=prev]")?.click(),
};
