// What breaks when a process dies: a click on its box opens the answer below the picture, and again closes it.

import { DEATHS } from "./deaths.js";
import { h } from "./dom.js";

const QUESTIONS = [["runsOn", "keeps running"], ["cannot", "cannot be done"], ["logs", "logs"], ["returns", "comes back by itself"]];

/** Return the panel of one picture, and what a click on one of its boxes does. */
export function deathPanel(picture) {
  const hint = h("p", { class: "quiet" }, "Choose a process to see what breaks when it dies.");
  const panel = h("div", { class: "death", role: "status" }, hint);
  let chosen = null;
  const choose = (process, group) => {
    const again = group === chosen;
    mark(group.ownerSVGElement, again ? null : group, again ? [] : DEATHS[picture.name][process].takesAlong);
    chosen = again ? null : group;
    panel.replaceChildren(...(again ? [hint] : answer(process, DEATHS[picture.name][process])));
  };
  return { panel, choose };
}

function mark(svg, group, takesAlong) {
  for (const box of svg.querySelectorAll(".box")) {
    box.setAttribute("aria-pressed", box === group);
    box.classList.toggle("dead", box === group);
    box.classList.toggle("taken-along", group !== null && takesAlong.includes(box.dataset.part));
  }
}

function answer(process, death) {
  return [h("h4", {}, `When ${process} dies`),
    h("dl", {}, ...QUESTIONS.flatMap(([key, question]) => [h("dt", {}, question), h("dd", {}, death[key])])),
    h("p", { class: "quiet" }, `Known from: ${death.source}.`)];
}
