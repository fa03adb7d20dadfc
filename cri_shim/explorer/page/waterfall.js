// The pieces of a request on one time axis, and beside each its figures; pieces that overlap in time overlap in the picture.

import { h, placed } from "./dom.js";
import { bytes, exact } from "./format.js";
import { pathOf, piecesOf } from "./pieces.js";
import { mark, measured, ofSplit } from "./sources.js";

const GROUPS = [
  ["Hops and helpers", ["hop", "helper"]],
  ["Stages of its own", ["stage"]],
  ["Waits for the world", ["wait"]],
  ["Waits in the daemon's own queue", ["queue"]],
];
// The columns beside the picture: head, class, text of a piece.
const FIGURES = [
  ["from", "from", (one) => exact(one.start_ms)],
  ["took", "time", (one) => exact(one.duration_ms)],
  ["containerd", "number", (one) => share(one, "daemon_ms")],
  ["transport", "number", (one) => share(one, "transport_ms")],
  ["out", "number", (one) => size(one, "bytes_out")],
  ["in", "number", (one) => size(one, "bytes_in")],
];

/** The waterfall of `record`; outlines show where the same piece usually is. */
export function waterfall(record) {
  const pieces = piecesOf(record);
  const groups = GROUPS.map(([title, kinds]) => [title, pieces.filter((one) => kinds.includes(one.kind))]).filter(([, rows]) => rows.length);
  if (!groups.length) {
    return h("p", { class: "hint" }, "Answered from memory: no hop, no helper, nothing to draw.");
  }
  const end = Math.max(record.bill.wall_ms, record.typical ? record.typical.wall_ms : 0, 0.001);
  const step = tick(end);
  const scale = { step, whole: Math.ceil(end / step - 1e-9) * step, wall: record.bill.wall_ms };
  const table = h("table", { class: "waterfall", id: `pieces-${record.id}` },
    h("caption", { class: "unseen" }, "Its pieces in order of time; all times in milliseconds since the request came in"),
    h("thead", {}, h("tr", {}, h("th", { scope: "col", class: "name" }, "piece"), axis(scale),
      ...FIGURES.map(([head, kind]) => h("th", { scope: "col", class: kind }, head)))),
    pathRow(record, scale),
    ...groups.map(([title, rows]) => h("tbody", {},
      h("tr", { class: "group" }, h("th", { scope: "rowgroup", colspan: String(FIGURES.length + 2) }, title)),
      ...rows.map((one) => row(one, scale)))));
  return h("div", { class: "drawn" }, fold(table), table, h("p", { class: "hint" }, mark(sourceOf(record)), " ", notes(record, pieces)));
}

// On a narrow screen the picture takes the whole width. This button shows and hides the figures of each piece.
function fold(table) {
  return h("button", { type: "button", class: "quiet fold", "aria-expanded": "false", "aria-controls": table.id, onclick: ({ target }) => {
    const unfolded = table.classList.toggle("unfolded");
    target.setAttribute("aria-expanded", String(unfolded));
    target.textContent = unfolded ? "Hide the figures of each piece" : "Show the figures of each piece";
  } }, "Show the figures of each piece");
}

function sourceOf(record) {
  const times = "Starts and lengths: the daemon's own clock.";
  if (!record.hops.length) return measured(times);
  const shares = ofSplit(record.bill.split, record.hop_count);
  return { ...shares, how: `${times} The share of transport in hops: ${shares.how}` };
}

function notes(record, pieces) {
  const said = ["Milliseconds. The dashed line is the answer."];
  if (pieces.some((one) => one.critical)) said.push("◆ The answer waited for it: nothing beside it took longer.");
  if (record.hops.some((hop) => hop.split !== "none")) {
    said.push("The stronger ends of a hop are its share of transport, half at each end; how it is divided is not known.");
  }
  if (pieces.some((one) => one.unfinished) && !record.running) {
    said.push("Unfinished: still under way when the request was answered. The answer did not need the result, so this is not a failure; how many bytes it carried is not known (–).");
  }
  if (record.typical) said.push(`Outlines: the median of the last ${record.typical.count} others that went well.`);
  return said.join(" ");
}

function pathRow(record, scale) {
  const steps = pathOf(record);
  if (!steps.some((step) => step.kind !== "work")) return null;
  const own = steps.filter((step) => step.kind === "work").reduce((sum, step) => sum + step.duration_ms, 0);
  const bars = steps.map((step) => placed(h("i", { class: step.kind }), percent(step.start_ms, scale), percent(step.duration_ms, scale)));
  const cells = FIGURES.map(([head, kind]) => h("td", { class: kind, "data-head": head }, head === "took" ? exact(scale.wall) : head === "from" ? exact(0) : ""));
  return h("tbody", {}, h("tr", { class: "path" },
    h("th", { scope: "row", class: "name" }, h("b", {}, "What the answer waited for"), h("small", { class: "purpose" }, `the pieces with ◆, and ${exact(own)} ms of the daemon itself between them`)),
    h("td", { class: "when" }, trackOf(scale, [h("span", { class: "steps" }, ...bars)])), ...cells));
}

function row(one, scale) {
  const bad = !one.unfinished && ((one.code !== undefined && one.code !== "OK") || (one.exit_code ?? 0) !== 0);
  return h("tr", { class: ["piece", one.critical && "critical", one.unfinished && "unfinished", bad && "bad"].filter(Boolean).join(" ") },
    h("th", { scope: "row", class: "name" },
      h("b", { title: one.full }, one.critical && h("span", { class: "on-path", role: "img", "aria-label": "The answer waited for it:" }, "◆"), one.label),
      outcome(one), one.purpose && h("small", { class: "purpose" }, one.purpose)),
    h("td", { class: "when" }, trackOf(scale, [bar(one, scale), one.usual && usual(one.usual, scale)].filter(Boolean))),
    ...FIGURES.map(([head, kind, text]) => h("td", { class: kind, "data-head": head, "data-duration": head === "took" ? one.duration_ms : null }, text(one))));
}

function outcome(one) {
  const said = [];
  if (one.unfinished) said.push("unfinished");
  else if (one.kind === "helper" && one.exit_code) said.push(`exit code ${one.exit_code}`);
  else if (one.kind === "hop" && one.code !== "OK") said.push(one.code);
  if (one.attempts > 1) said.push(`${one.attempts} attempts`);
  return said.length > 0 && h("span", { class: "said" }, said.join(", "));
}

function trackOf({ step, whole, wall }, bars) {
  const track = h("div", { class: "track" });
  track.style.setProperty("--step", `${(step / whole) * 100}%`);
  track.append(placed(h("s", { class: "end" }), (wall / whole) * 100, 0), ...bars);
  return track;
}

function bar(one, scale) {
  const piece = placed(h("i", { class: one.kind }), percent(one.start_ms, scale), percent(one.duration_ms, scale));
  if (one.kind === "hop" && one.split !== "none" && one.duration_ms > 0) {
    // The share of transport is known, but not when it happened; the bill, too, puts half of it at each end.
    const half = (one.transport_ms / one.duration_ms) * 50;
    piece.append(placed(h("i", { class: "transport" }), 0, half), placed(h("i", { class: "transport" }), 100 - half, half));
  }
  return piece;
}

function usual(of, scale) {
  return placed(h("u", {}), percent(of.start_ms, scale), percent(of.duration_ms, scale));
}

function percent(ms, { whole }) {
  return (ms / whole) * 100;
}

// Containerd's share or transport of a hop; an estimate with its possible error.
function share(one, name) {
  if (one.kind !== "hop") return "";
  if (one.split === "none") return "–";
  const off = one.split === "estimate" && one.transport_error_ms ? h("small", {}, ` ±${exact(one.transport_error_ms)}`) : null;
  return [exact(one[name]), name === "transport_ms" ? off : null].filter(Boolean);
}

function size(one, name) {
  if (one.kind !== "hop") return "";
  return one.bytes_known ? bytes(one[name]) : "–";
}

function axis({ step, whole }) {
  const track = h("div", { class: "axis", "aria-hidden": "true" });
  const count = Math.round(whole / step);
  for (let number = 0; number <= count; number += 1) {
    const label = h("span", { class: number === count ? "last" : "" }, trimmed(number * step));
    label.style.left = `${(number / count) * 100}%`;
    track.append(label);
  }
  return h("th", { scope: "col", class: "when" }, h("span", { class: "unseen" }, "when"), track);
}

// A step of 1, 2 or 5 times a power of ten that gives the axis three to six parts.
function tick(end) {
  const power = 10 ** Math.floor(Math.log10(end / 3));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => end / step <= 5) ?? 10 * power;
}

function trimmed(ms) {
  return String(Number(ms.toPrecision(6)));
}
