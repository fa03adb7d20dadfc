// The pieces of a request on one time axis; pieces that overlap in time overlap in the picture.

import { h, placed } from "./dom.js";
import { brief, bytes, exact, hopName } from "./format.js";
import { mark, measured, ofSplit } from "./sources.js";

/** The waterfall of `record`; outlines show where the same piece usually is. */
export function waterfall(record) {
  const pieces = piecesOf(record);
  const end = Math.max(record.bill.wall_ms, record.typical ? record.typical.wall_ms : 0, 0.001);
  const step = tick(end);
  const whole = Math.ceil(end / step - 1e-9) * step;
  const groups = [
    ["Hops and helpers", pieces.filter((one) => one.kind === "hop" || one.kind === "helper")],
    ["Stages of its own", pieces.filter((one) => one.kind === "stage")],
    ["Waits for the world", pieces.filter((one) => one.kind === "wait")],
    ["Waits in the daemon's own queue", pieces.filter((one) => one.kind === "queue")],
  ].filter(([, rows]) => rows.length);
  if (!groups.length) {
    return h("p", { class: "hint" }, "Answered from memory: no hop, no helper, nothing to draw.");
  }
  return h(
    "div",
    { class: "waterfall" },
    axis(whole, step),
    ...groups.map(([title, rows]) =>
      h("section", {}, h("h3", {}, title), h("ol", {}, ...rows.map((one) => row(one, whole, step, record.bill.wall_ms)))),
    ),
    h("p", { class: "hint" }, mark(sourceOf(record)), " ", notes(record)),
  );
}

function sourceOf(record) {
  const times = "Starts and lengths: the daemon's own clock.";
  if (!record.hops.length) return measured(times);
  const shares = ofSplit(record.bill.split, record.hop_count);
  return { ...shares, how: `${times} The share of transport in hops: ${shares.how}` };
}

function notes(record) {
  const said = ["The dashed line is the answer."];
  if (record.hops.some((hop) => hop.split !== "none")) {
    said.push("The stronger ends of a hop are its share of transport, half at each end; how it is divided is not known.");
  }
  if (record.typical) said.push(`Outlines: the median of the last ${record.typical.count} that went well.`);
  return said.join(" ");
}

function piecesOf(record) {
  const usual = usualPlaces(record.typical);
  const seen = new Map();
  const nth = (key) => {
    const number = seen.get(key) ?? 0;
    seen.set(key, number + 1);
    return usual.get(`${key} ${number}`);
  };
  const pieces = [
    ...record.hops.map((hop) => ({ ...hop, kind: "hop", label: hopName(hop.method), full: hop.method, usual: nth(hop.method) })),
    ...record.helpers.map((helper) => ({ ...helper, kind: "helper", label: `${helper.name} ${helper.command}`,
      full: `CNI plugin ${helper.name}, ${helper.command}`, usual: nth(`${helper.name} ${helper.command}`) })),
    ...record.stages.map((stage) => ({ ...stage, kind: "stage", label: stage.name, full: stage.name })),
    ...record.waits.map((wait) => ({ ...wait, kind: wait.part === "queue" ? "queue" : "wait", label: wait.name,
      full: wait.part === "queue" ? `waited in the daemon's own queue for ${wait.name}` : `waited for ${wait.name}` })),
  ];
  return pieces.sort((one, other) => one.start_ms - other.start_ms || other.duration_ms - one.duration_ms);
}

function usualPlaces(typical) {
  const places = new Map();
  for (const hop of typical?.hops ?? []) places.set(`${hop.method} ${hop.nth}`, hop);
  for (const helper of typical?.helpers ?? []) places.set(`${helper.name} ${helper.command} ${helper.nth ?? 0}`, helper);
  return places;
}

function row(one, whole, step, wall) {
  const track = h("div", { class: "track" });
  track.style.setProperty("--step", `${(step / whole) * 100}%`);
  track.append(placed(h("s", { class: "end" }), (wall / whole) * 100, 0));
  const piece = placed(h("i", { class: one.kind }), (one.start_ms / whole) * 100, (one.duration_ms / whole) * 100);
  if (one.kind === "hop" && one.split !== "none" && one.duration_ms > 0) {
    // The share of transport is known, but not when it happened; the bill, too, puts half of it at each end.
    const half = (one.transport_ms / one.duration_ms) * 50;
    piece.append(placed(h("i", { class: "transport" }), 0, half), placed(h("i", { class: "transport" }), 100 - half, half));
  }
  track.append(piece);
  if (one.usual) {
    track.append(placed(h("u", {}), (one.usual.start_ms / whole) * 100, (one.usual.duration_ms / whole) * 100));
  }
  const bad = (one.code !== undefined && one.code !== "OK") || (one.exit_code ?? 0) !== 0;
  const title = `${one.full}: from ${exact(one.start_ms)} for ${exact(one.duration_ms)} ms${split(one)}`;
  return h(
    "li",
    { class: bad ? "piece bad" : "piece", title },
    h("span", { class: "name" }, one.label),
    h("span", { class: "time", "data-duration": one.duration_ms }, brief(one.duration_ms)),
    track,
    h("span", { class: "more" }, more(one)),
  );
}

function more(one) {
  if (one.kind === "helper" && one.exit_code === null) return "UNFINISHED";
  if (one.kind === "helper") return one.exit_code ? `exit code ${one.exit_code}` : "";
  if (one.kind !== "hop") return "";
  const said = [`${bytes(one.bytes_out)} out, ${bytes(one.bytes_in)} in`];
  if (one.attempts > 1) said.push(`${one.attempts} attempts`);
  if (one.code !== "OK") said.push(one.code);
  return said.join(" · ");
}

function split(one) {
  if (one.kind !== "hop" || one.split === "none") return "";
  const off = one.transport_error_ms ? `, ±${exact(one.transport_error_ms)}` : "";
  const known = one.split === "estimate" ? ` (estimate${off})` : " (from containerd's span)";
  return `, containerd ${exact(one.daemon_ms)}, transport ${exact(one.transport_ms)}${known}`;
}

function axis(whole, step) {
  const track = h("div", { class: "track" });
  const count = Math.round(whole / step);
  for (let number = 0; number <= count; number += 1) {
    const label = h("span", { class: number === count ? "last" : "" }, number === count ? brief(whole) : trimmed(number * step));
    label.style.left = `${(number / count) * 100}%`;
    track.append(label);
  }
  return h("div", { class: "axis", "aria-hidden": "true" }, track);
}

// A step of 1, 2 or 5 times a power of ten that gives the axis three to seven parts.
function tick(end) {
  const power = 10 ** Math.floor(Math.log10(end / 3));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => end / step <= 6) ?? 10 * power;
}

function trimmed(ms) {
  return String(Number(ms.toPrecision(6)));
}
