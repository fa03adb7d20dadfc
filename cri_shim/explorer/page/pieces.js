// The pieces of a request in one form: hops, helpers, stages and waits, each with its place in the typical request.

import { hopName } from "./format.js";

export const UNFINISHED = "UNFINISHED";

/** All pieces of `record` by their start. A daemon of an earlier release sends no purposes, and no critical path. */
export function piecesOf(record) {
  const usual = usualPlaces(record.typical);
  const seen = new Map();
  const nth = (key) => {
    const number = seen.get(key) ?? 0;
    seen.set(key, number + 1);
    return usual.get(`${key} ${number}`);
  };
  const pieces = [
    ...record.hops.map((hop) => ({ ...common(hop), ...hop, kind: "hop", label: hopName(hop.method), full: hop.method, usual: nth(hop.method),
      unfinished: hop.code === UNFINISHED, bytes_known: hop.bytes_known ?? hop.code !== UNFINISHED })),
    ...record.helpers.map((helper) => ({ ...common(helper), ...helper, kind: "helper", label: `${helper.name} ${helper.command}`,
      full: `CNI plugin ${helper.name}, ${helper.command}`, usual: nth(`${helper.name} ${helper.command}`), unfinished: helper.exit_code === null })),
    ...record.stages.map((stage) => ({ ...common(stage), ...stage, kind: "stage", label: stage.name, full: stage.name })),
    ...record.waits.map((wait) => ({ ...common(wait), ...wait, kind: wait.part === "queue" ? "queue" : "wait", label: wait.name, full: wait.name })),
  ];
  return pieces.sort((one, other) => one.start_ms - other.start_ms || other.duration_ms - one.duration_ms);
}

/** The steps of the critical path: kind of bar, name, start and length; none while the request runs. */
export function pathOf(record) {
  return (record.critical_path ?? []).map(({ kind, place, start_ms, duration_ms }) => {
    const piece = kind === "work" ? null : record[`${kind}s`]?.[place];
    return { start_ms, duration_ms, kind: kind === "wait" && piece?.part === "queue" ? "queue" : kind, label: piece ? nameOf(kind, piece) : "the daemon" };
  });
}

function nameOf(kind, piece) {
  if (kind === "hop") return hopName(piece.method);
  return kind === "helper" ? `${piece.name} ${piece.command}` : piece.name;
}

function common({ purpose = "", critical = false }) {
  return { purpose, critical };
}

function usualPlaces(typical) {
  const places = new Map();
  for (const hop of typical?.hops ?? []) places.set(`${hop.method} ${hop.nth}`, hop);
  for (const helper of typical?.helpers ?? []) places.set(`${helper.name} ${helper.command} ${helper.nth ?? 0}`, helper);
  return places;
}
