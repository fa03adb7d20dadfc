// Light the parts of the picture that are at work. A hop lasts a millisecond, so a part stays lit for a moment longer.

import { hopName } from "./format.js";

const AFTERGLOW = 450; // milliseconds

export class Lights {
  #svg;
  #caption;
  #lit = new Map(); // part: how many events light it
  #fading = new Map(); // part: timer

  constructor(svg, caption) {
    this.#svg = svg;
    this.#caption = caption;
  }

  /** Handle a live event, or one of a replay. */
  follow(name, data) {
    if (name === "start") {
      this.#on(["kubelet-cri", "cri"]);
      this.caption(`${data.method} …`);
    } else if (name === "end") {
      this.#off(["kubelet-cri", "cri"]);
      this.caption(`${data.method} answered.`);
    } else if (name === "hop") this.#show(data.phase, hopParts(data.method), `${hopName(data.method)}`);
    else if (name === "helper") this.#show(data.phase, ["cni-arrow", "cni"], `${data.name} ${data.command}`);
  }

  /** Say what is so; it is read aloud. */
  say(text) {
    this.#write(text, "polite");
  }

  /** Name what is at work. That changes with every hop, and is not read aloud. */
  caption(text) {
    this.#write(text, "off");
  }

  #write(text, live) {
    this.#caption.setAttribute("aria-live", live);
    this.#caption.textContent = text;
  }

  dark() {
    this.#lit.clear();
    for (const timer of this.#fading.values()) clearTimeout(timer);
    this.#fading.clear();
    for (const part of this.#svg.querySelectorAll(".lit")) part.classList.remove("lit");
  }

  #show(phase, parts, text) {
    if (phase === "start") {
      this.#on(parts);
      this.caption(text);
    } else this.#off(parts);
  }

  #on(parts) {
    for (const part of parts) {
      this.#lit.set(part, (this.#lit.get(part) ?? 0) + 1);
      clearTimeout(this.#fading.get(part));
      this.#part(part)?.classList.add("lit");
    }
  }

  #off(parts) {
    for (const part of parts) {
      const left = Math.max(0, (this.#lit.get(part) ?? 0) - 1);
      this.#lit.set(part, left);
      if (left) continue;
      clearTimeout(this.#fading.get(part));
      this.#fading.set(part, setTimeout(() => this.#part(part)?.classList.remove("lit"), AFTERGLOW));
    }
  }

  #part(name) {
    return this.#svg.querySelector(`[data-part="${name}"]`);
  }
}

// Calls about tasks go on to the shim, and creating one runs runc.
function hopParts(method) {
  const parts = ["cri-containerd", "containerd"];
  if (method.includes(".Tasks/")) parts.push("containerd-shim", "shim");
  if (/Tasks\/(Create|Start|Exec|Kill|Delete)/.test(method)) parts.push("shim-runc", "runc");
  return parts;
}
