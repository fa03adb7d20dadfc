// Replay a recorded request slowly enough to be watched.

import { exact } from "./format.js";

const SECONDS = 12;

/** Play `record` on `lights`; return a function that ends the replay. */
export function replay(record, lights) {
  const slower = Math.max(1, (SECONDS * 1000) / Math.max(record.bill.wall_ms, 0.001));
  const moments = [
    [0, "start", record],
    ...record.hops.flatMap((hop) => pair(hop, "hop", { method: hop.method })),
    ...record.helpers.flatMap((helper) => pair(helper, "helper", { name: helper.name, command: helper.command })),
    [record.bill.wall_ms, "end", record],
  ];
  const timers = moments.map(([at, name, data]) =>
    setTimeout(() => {
      lights.follow(name, data);
      const slow = `${Math.round(slower)} times slower`;
      if (data.phase !== "end") lights.caption(`${textOf(name, data, record)} at ${exact(at)} ms (${slow})`);
    }, at * slower),
  );
  return () => timers.forEach(clearTimeout);
}

function pair(piece, name, data) {
  return [
    [piece.start_ms, name, { ...data, phase: "start" }],
    [piece.start_ms + piece.duration_ms, name, { ...data, phase: "end" }],
  ];
}

function textOf(name, data, record) {
  if (name === "start") return `${record.method} begins`;
  if (name === "end") return `${record.method} answered`;
  return name === "hop" ? data.method.slice(data.method.lastIndexOf(".") + 1) : `${data.name} ${data.command}`;
}
