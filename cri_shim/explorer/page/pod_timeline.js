// The timeline of a pod: lanes for the pod and its containers, requests as bars in them, hops and helpers below.

import { addressOf } from "./address.js";
import { h, placed } from "./dom.js";
import { brief, clock, exact, hopName, span } from "./format.js";
import { stacked, stepOf } from "./pod_axis.js";
import { selectable } from "./pod_selection.js";

const LABEL_WIDTH = 11; // percent of the axis that a label of it takes
const BREAK_LABEL_WIDTH = 1.6; // percent; a narrower cut has its length only in a tooltip
const NAME_WIDTH = 6; // percent that a bar needs for its name

/** Draw `lanes` on `axis`. `records`: details of requests by id. `opened`: ids whose hops have a row each. `zoom(from, to)` is called for a range. */
export function timeline({ lanes, axis, records, opened, origin, zoom }) {
  const body = h("div", { class: "lanes" }, head(axis, origin), ...lanes.map((lane) => drawnLane(lane, axis, records, opened)), ground(axis));
  selectable(body, axis, zoom);
  return body;
}

// The scale: where each drawn stretch begins, a line at each step from there, and how long each cut is.
function head(axis, origin) {
  const track = h("div", { class: "lane-track scale" });
  const step = stepOf(axis);
  const labelWidth = matchMedia("(max-width: 60rem)").matches ? 2 * LABEL_WIDTH : LABEL_WIDTH;
  let free = -1;
  const label = (left, kind, text, title) => {
    if (left < free || left > 99) return;
    const atEnd = left > 100 - labelWidth;
    const element = h("span", { class: atEnd ? `${kind} last` : kind, title }, text);
    element.style.left = `${left}%`;
    track.append(element);
    free = left + labelWidth;
  };
  for (const { from, left, width, cut, to } of axis.segments) {
    if (cut) {
      track.append(placed(h("span", { class: "cut-label", title: `${span(to - from)} left out` }, width >= BREAK_LABEL_WIDTH ? span(to - from) : ""), left, width));
      continue;
    }
    label(left, "moment", from < 0.001 ? "0" : `+${span(from)}`, clock(origin + from / 1000));
    for (const at of gridOf({ from, to }, step)) label(axis.place(at), "step", `${from < 0.001 ? "" : "… +"}${span(at - from)}`, clock(origin + at / 1000));
  }
  return h("div", { class: "lane axis-head", "aria-hidden": "true" }, h("span", { class: "lane-name" }, `a line every ${span(step)}`), track);
}

function gridOf({ from, to }, step) {
  return Array.from({ length: Math.floor((to - from) / step) }, (_, index) => from + (index + 1) * step);
}

// Grid and cuts go through all lanes.
function ground(axis) {
  const track = h("div", { class: "lane-track all-cuts" });
  const step = stepOf(axis);
  for (const one of axis.segments) {
    if (one.cut) track.append(placed(h("i", { class: one.idle ? "cut" : "cut within" }), one.left, one.width));
    else for (const at of gridOf(one, step)) track.append(placed(h("u", { class: "grid-line" }), axis.place(at), 0));
  }
  return h("div", { class: "lane ground", "aria-hidden": "true" }, h("span", { class: "lane-name" }), track);
}

function drawnLane(lane, axis, records, opened) {
  const inView = (one) => one.end >= axis.segments[0].from && one.start <= axis.segments.at(-1).to;
  const shown = lane.requests.filter(inView);
  const rows = stacked(shown).map((requests, index) => row(index ? "" : title(lane), "requests",
    [...(index ? [] : [life(lane, axis)]), ...requests.map((one) => bar(one, axis))]));
  if (!rows.length) rows.push(row(title(lane), "requests", [life(lane, axis)]));
  const known = shown.filter((one) => records.has(one.id));
  const folded = known.filter((one) => !opened.has(one.id)).flatMap((one) => piecesOf(one, records.get(one.id))).filter(inView);
  for (const [kind, name] of [["hop", "hops"], ["helper", "helpers"]]) {
    const pieces = folded.filter((one) => one.kind === kind);
    rows.push(...stacked(pieces).map((ones, index) => row(index ? "" : h("small", {}, name), kind, ones.map((one) => piece(one, axis)))));
  }
  for (const one of known.filter(({ id }) => opened.has(id))) {
    rows.push(...piecesOf(one, records.get(one.id)).filter(inView).map((each) => row(h("small", { title: each.full }, each.label), `${each.kind} single`,
      [piece(each, axis, ""), h("span", { class: "duration" }, brief(each.duration_ms))], each, axis)));
  }
  return h("div", { class: "lane-group", role: "group", "aria-label": lane.container ? `container ${lane.name}` : "the pod itself" }, ...rows);
}

function title(lane) {
  const state = lane.container ? ` ${lane.container.state}` : "";
  return h("span", { title: lane.id || null }, h("b", {}, lane.name), h("small", {}, state));
}

function row(name, kind, children, single, axis) {
  const track = h("div", { class: "lane-track" }, ...children);
  if (single) {
    const text = children.at(-1);
    const end = axis.place(single.end);
    if (end > 85) text.style.right = `${100 - axis.place(single.start)}%`;
    else text.style.left = `${end}%`;
  }
  return h("div", { class: `lane ${kind}` }, h("span", { class: "lane-name" }, name), track);
}

// When its processes ran, as far as that is known: a line behind the bars.
function life(lane, axis) {
  if (!lane.life) return null;
  const [from, to] = [axis.segments[0].from, axis.segments.at(-1).to];
  const end = lane.life.end ?? to;
  if (end < from || lane.life.start > to) return null;
  const left = axis.place(Math.max(lane.life.start, from));
  const exit = lane.container?.exit_code;
  const said = lane.container ? `ran for ${span(Math.max(0, end - lane.life.start))}${lane.life.end === null ? " so far" : ""}${exit === null || exit === undefined ? "" : `, exit code ${exit}`}` : "the pod exists";
  return placed(h("s", { class: exit ? "life bad" : "life", title: said }), left, Math.max(0, axis.place(Math.min(end, to)) - left));
}

function bar(request, axis) {
  const left = axis.place(request.start);
  const width = axis.place(request.end) - left;
  const outcome = request.running ? "running" : request.code === "OK" ? "ok" : "bad";
  const said = `${request.method}, ${outcome === "bad" ? request.code : outcome === "running" ? "still running" : brief(request.bill.wall_ms)}`;
  return placed(h("a", { href: addressOf("request", request.id), class: `request-bar ${outcome}`, draggable: "false", "data-request": request.id,
    title: `${said}: request ${request.id}, from +${exact(request.start)} ms`, "aria-label": `${said}, request ${request.id}` },
  h("span", {}, width >= NAME_WIDTH ? request.method : "")), left, width);
}

function piecesOf(request, record) {
  const placedAt = (one) => ({ start: request.start + one.start_ms, end: request.start + one.start_ms + one.duration_ms });
  return [
    ...record.hops.map((one) => ({ ...one, ...placedAt(one), kind: "hop", label: hopName(one.method), full: one.method, bad: !["OK", "UNFINISHED"].includes(one.code) })),
    ...record.helpers.map((one) => ({ ...one, ...placedAt(one), kind: "helper", label: `${one.name} ${one.command}`, full: `CNI plugin ${one.name}, ${one.command}`, bad: Boolean(one.exit_code) })),
  ].sort((one, other) => one.start - other.start || other.end - one.end);
}

function piece(one, axis, label = one.label) {
  const left = axis.place(one.start);
  const width = axis.place(one.end) - left;
  const text = `${one.full}: ${exact(one.duration_ms)} ms${one.purpose ? `. ${one.purpose}` : ""}`;
  return placed(h("i", { class: one.bad ? `${one.kind} bad` : one.kind, title: text }, label && width >= NAME_WIDTH ? h("span", {}, label) : null), left, width);
}

/** Every moment at which a request, or something in it, begins or ends. */
export function momentsOf(requests, records) {
  return requests.flatMap((request) => {
    const record = records.get(request.id);
    const inner = record ? piecesOf(request, record).flatMap(({ start, end }) => [start, end]) : [];
    return [request.start, request.end, ...inner.filter((at) => at >= request.start && at <= request.end)];
  });
}
