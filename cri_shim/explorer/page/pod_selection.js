// Choose a range of a timeline by drawing over it with the mouse. The keyboard has the links of the bursts and of each request.

import { h, placed } from "./dom.js";
import { momentAt } from "./pod_axis.js";

const LEAST = 1; // percent of the width; a shorter movement is a click

let underWay = false;
for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => (underWay = false)); // also outside of the timeline

/** Whether the reader is drawing a range; what is drawn over must not be drawn anew meanwhile. */
export function selecting() {
  return underWay;
}

/** Call `zoom(from, to)` for a range that is drawn over the tracks in `body`. */
export function selectable(body, axis, zoom) {
  const box = h("i", { class: "selection" });
  let start = null;
  let drawn = false;
  const percent = ({ clientX }) => {
    const track = body.querySelector(".scale").getBoundingClientRect();
    return Math.min(100, Math.max(0, ((clientX - track.left) / track.width) * 100));
  };
  body.addEventListener("pointerdown", (event) => {
    drawn = false;
    if (event.button === 0 && event.pointerType === "mouse" && event.target.closest(".lane-track")) {
      start = percent(event);
      underWay = true;
    }
  });
  body.addEventListener("pointermove", (event) => {
    if (!(event.buttons & 1)) start = null; // the button came up outside
    if (start === null || (!drawn && Math.abs(percent(event) - start) < LEAST)) return;
    if (!drawn) body.setPointerCapture(event.pointerId);
    drawn = true;
    body.querySelector(".all-cuts").append(placed(box, Math.min(start, percent(event)), Math.abs(percent(event) - start)));
  });
  body.addEventListener("pointerup", (event) => {
    const from = start;
    start = null;
    box.remove();
    if (from === null || !drawn) return;
    const [left, right] = [from, percent(event)].sort((one, other) => one - other);
    if (right - left >= LEAST) zoom(momentAt(axis, left), momentAt(axis, right));
  });
  body.addEventListener("pointercancel", () => {
    start = null;
    box.remove();
  });
  body.addEventListener("click", (event) => drawn && event.preventDefault(), true);
}
