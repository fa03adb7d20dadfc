// The timeline of a pod: lanes for the pod and its containers, requests as bars in them, hops and helpers below.

import { addressOf } from "./address.js";
import { h, placed } from "./dom.js";
import { brief, clock, exact, hopName, span } from "./format.js";
import { stacked } from "./pod_axis.js";
import { selectable } from "./pod_selection.js";

const LABEL_WIDTH = 11; // percent of the axis that a label of it takes
const BREAK_LABEL_WIDTH = 1.6; // percent; a narrower cut has its length only in a tooltip
const NAME_WIDTH = 6; // percent that a bar needs for its name

/** Draw `lanes` on `axis`. `records`: details of requests by id. `opened`: ids whose hops have a row each. `zoom(from, to)` is called for a range. */
export function timeline({ lanes, axis, records, opened, origin, zoom }) {
  const body = h("div", { class: "lanes" }, head(axis, origin), ...lanes.flatMap((lane) => drawnLane(lane, axis, records, opened)), cuts(axis));
  selectable(body, axis, zoom);
  return body;
}

function head(axis, origin) {
  const track = h("div", { class: "lane-track scale" });
  let free = -LABEL_WIDTH;
  for (const { from, left, width, cut, to } of axis.segments) {
    if (cut) {
      const label = h("span", { class: "cut-label", title: `${span(to - from)} left out` }, width >= BREAK_LABEL_WIDTH ? span(to - from) : "");
      track.append(placed(label, left, width));
    } else if (left - free >= LABEL_WIDTH) {
      const label = h("span", { class: left > 100 - LABEL_WIDTH ? "moment last" : "moment", title: clock(origin + from / 1000) }, from < 0.001 ? "0" : `+${span(from)}`);
      label.style.left = `${left}%`;
      track.append(label);
      free = left;
    }
  }
  return h("div", { class: "lane axis-head", "aria-hidden": "true" }, h("span", { class: "lane-name" }, "since its beginning"), track);
}

// The cuts go through all lanes.
function cuts(axis) {
  const track = h("div", { class: "lane-track all-cuts" });
  for (const { left, width, cut, idle } of axis.segments) if (cut) track.append(placed(h("i", { class: idle ? "cut" : "cut within" }), left, width));
  return h("div", { class: "lane cuts", "aria-hidden": "true" }, h("span", { class: "lane-name" }), track);
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
      [piece(each, axis), h("span", { class: "duration" }, brief(each.duration_ms))], each, axis)));
  }
  return [h("section", { class: "lane-group", "aria-label": lane.container ? `container ${lane.name}` : "the pod itself" }, ...rows)];
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
  const said = lane.container ? `ran for ${span(end - lane.life.start)}${lane.life.end === null ? " so far" : ""}${exit === null || exit === undefined ? "" : `, exit code ${exit}`}` : "the pod exists";
  return placed(h("s", { class: exit ? "life bad" : "life", title: said }), left, axis.place(Math.min(end, to)) - left);
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

function piece(one, axis) {
  const left = axis.place(one.start);
  const width = axis.place(one.end) - left;
  const text = `${one.full}: ${exact(one.duration_ms)} ms`;
  return placed(h("i", { class: one.bad ? `${one.kind} bad` : one.kind, title: text }, width >= NAME_WIDTH ? h("span", {}, one.label) : null), left, width);
}

/** Every moment at which a request, or something in it, begins or ends. */
export function momentsOf(requests, records) {
  return requests.flatMap((request) => {
    const record = records.get(request.id);
    const inner = record ? piecesOf(request, record).flatMap(({ start, end }) => [start, end]) : [];
    return [request.start, request.end, ...inner.filter((at) => at >= request.start && at <= request.end)];
  });
}
