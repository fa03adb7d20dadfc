// The rule by which a search finds requests and pods. The daemon applies the same to all that it remembers (explorer/search.py).

/** The words of a search, in lower case. */
export function wordsOf(text) {
  return text.toLowerCase().split(/\s+/).filter(Boolean);
}

/** Whether a request has every one of the words: in a name, its method, code or image, or at the beginning of an id. */
export function requestHas(request, words) {
  const { subject, pod, container } = request;
  const { sandbox_id: sandboxId, container_id: containerId, ...said } = subject;
  const texts = [request.method, request.code || "running", [pod?.namespace, pod?.name, container?.name].filter(Boolean).join("/"),
    container?.image, ...Object.values(said)];
  return has(words, texts, [String(request.id), pod?.id, container?.id, sandboxId, containerId]);
}

/** Whether a pod has every one of the words: in its name, state or a container's name or image, or at the beginning of an id. */
export function podHas(pod, words) {
  const name = [pod.namespace, pod.name].filter(Boolean).join("/");
  const texts = [name, pod.state, pod.uid, ...pod.containers.flatMap((one) => [`${name}/${one.name}`, one.image, one.state])];
  return has(words, texts, [pod.id, ...pod.containers.map((one) => one.id)]);
}

function has(words, texts, ids) {
  const lower = (all) => all.filter(Boolean).map((one) => one.toLowerCase());
  const [inTexts, ofIds] = [lower(texts), lower(ids)];
  return words.every((word) => inTexts.some((text) => text.includes(word)) || ofIds.some((id) => id.startsWith(word)));
}
