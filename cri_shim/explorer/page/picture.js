// Draw one architecture: boxes in rows, arrows between them, and the CNI plugins beside the box that runs them. A box is a
// button: it says what breaks when its process dies.

import { ROWS } from "./architectures.js";
import { s } from "./dom.js";

const WIDTH = 320;
const HEIGHT = 66; // of a row
const BOX = 38;
const LEFT = 12;
const BOX_WIDTH = 128;
const COLUMNS = [2, 106]; // where two boxes share a row
const COLUMN_WIDTH = 94;
const CNI_LEFT = 208;

/** Return the picture as SVG. `onProcess(process, group)` is called for a box that was clicked, or entered by key. */
export function draw(picture, onProcess) {
  const height = ROWS.length * HEIGHT - (HEIGHT - BOX) + 4;
  const svg = s("svg", { viewBox: `0 0 ${WIDTH} ${height}`, class: picture.live ? "is-live" : "", role: "group",
    "aria-label": described(picture) });
  const boxes = new Map(picture.boxes.map((box) => [box.part ?? box.row, { ...box, ...placeOf(box) }]));
  for (const arrow of picture.arrows) svg.append(line(arrow, boxes.get(arrow.from), boxes.get(arrow.to)));
  const runner = boxes.get(picture.cni);
  const y = runner.y + BOX / 2;
  svg.append(
    s("g", { class: "arrow", "data-part": "cni-arrow" }, s("path", { d: `M${runner.x + runner.width} ${y}H${CNI_LEFT - 7}` }),
      tip(CNI_LEFT, y, "right"),
      s("text", { x: (runner.x + runner.width + CNI_LEFT) / 2 - 5, y: y - 6, class: "label", "text-anchor": "middle" }, runner.wide ? "" : "exec")),
    drawBox("cni", { x: CNI_LEFT, y: runner.y, width: WIDTH - CNI_LEFT - 2, label: "CNI plugins", process: "CNI plugins" }, onProcess),
  );
  for (const [part, box] of boxes) svg.append(drawBox(part, box, onProcess));
  return svg;
}

function placeOf({ row, column, wide }) {
  const y = 2 + ROWS.indexOf(row) * HEIGHT;
  if (wide) return { x: COLUMNS[0], y, width: COLUMNS[1] + COLUMN_WIDTH - COLUMNS[0] };
  return column === undefined ? { x: LEFT, y, width: BOX_WIDTH } : { x: COLUMNS[column], y, width: COLUMN_WIDTH };
}

function drawBox(part, { x, y, width, label, inside, below, process }, onProcess) {
  const group = s("g", { class: "box", "data-part": part, "data-process": process, role: "button", tabindex: "0", "aria-pressed": "false",
    "aria-label": `${[label, inside ?? below].filter(Boolean).join(" ")}: what breaks when ${process} dies` }, s("rect", { x, y, width, height: BOX, rx: 6, class: "outline" }));
  if (inside) {
    // The part that serves the CRI is in the same process, so it is a box inside the box.
    const inner = Math.min(width - 16, BOX_WIDTH - 16);
    group.append(
      s("text", { x: x + 8, y: y + 13, class: "small" }, label), " ",
      s("rect", { x: x + 8, y: y + 17, width: inner, height: BOX - 20, rx: 4, class: "inside" }),
      s("text", { x: x + 8 + inner / 2, y: y + 30, class: "small", "text-anchor": "middle" }, inside),
    );
  } else if (below) {
    group.append(s("text", { x: x + width / 2, y: y + 17, "text-anchor": "middle" }, label), " ",
      s("text", { x: x + width / 2, y: y + 31, class: "small", "text-anchor": "middle" }, below));
  } else group.append(s("text", { x: x + width / 2, y: y + BOX / 2 + 5, "text-anchor": "middle" }, label));
  group.addEventListener("click", () => onProcess(process, group));
  group.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    onProcess(process, group);
  });
  return group;
}

function line(arrow, from, to) {
  // Between boxes of different width the arrow goes straight down from the narrower one.
  const narrow = from.width <= to.width ? from : to;
  const x = narrow.x + narrow.width / 2;
  const [top, bottom] = [from.y + BOX, to.y];
  const middle = (top + bottom) / 2;
  return s("g", { class: arrow.figure ? "arrow hop" : "arrow", "data-part": `${arrow.from}-${arrow.to}` },
    s("path", { d: `M${x} ${top}V${bottom - 7}` }), tip(x, bottom, "down"),
    s("text", { x: x + 8, y: arrow.figure ? middle - 4 : middle + 4, class: "label" }, arrow.label),
    arrow.figure ? s("g", { "data-figure": arrow.figure, "data-x": x + 8, "data-y": middle + 10 }) : null);
}

function tip(x, y, way) {
  return s("polygon", { points: way === "down" ? `${x - 5},${y - 8} ${x + 5},${y - 8} ${x},${y - 1}` : `${x - 8},${y - 5} ${x - 8},${y + 5} ${x - 1},${y}` });
}

function described(picture) {
  const names = Object.fromEntries(picture.boxes.map((one) =>
    [one.part ?? one.row, one.inside ? `${one.label} with ${one.inside} inside` : one.below ? `${one.label} in ${one.below}` : one.label]));
  const arrows = picture.arrows.map((arrow) => `${names[arrow.from]} to ${names[arrow.to]} by ${arrow.label}`);
  return `${picture.name}: ${arrows.join(", ")}; ${names[picture.cni]} runs CNI plugins`;
}
