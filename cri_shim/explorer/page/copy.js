// Buttons that copy a text. The clipboard's own interface exists only on https and on loopback, so there is a second way and a third.

import { h } from "./dom.js";

/** Buttons for `texts` (label and function that returns the text), and one place that says what became of it. */
export function copyButtons(...texts) {
  const said = h("span", { class: "copied", role: "status" });
  const buttons = texts.map(([label, textOf]) => h("button", { type: "button", class: "quiet", onclick: async ({ currentTarget }) => {
    const text = textOf();
    if (await copied(text, currentTarget)) {
      said.textContent = "Copied.";
      setTimeout(() => said.textContent === "Copied." && said.replaceChildren(), 4000);
    } else {
      const box = h("textarea", { readonly: true, rows: "3", "aria-label": label });
      box.value = text;
      said.replaceChildren("This browser does not let the page copy. It is selected here: press Ctrl+C. ", box);
      box.select();
    }
  } }, label));
  return h("p", { class: "copy" }, ...buttons, said);
}

async function copied(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copiedBySelection(text, button);
  }
}

// The old way, which browsers also allow on http: select the text in an element, and copy the selection.
function copiedBySelection(text, button) {
  const box = h("textarea", { readonly: true, class: "unseen", "aria-hidden": "true", tabindex: "-1" });
  box.value = text;
  document.body.append(box);
  box.select();
  const done = document.execCommand("copy");
  box.remove();
  button.focus();
  return done;
}
