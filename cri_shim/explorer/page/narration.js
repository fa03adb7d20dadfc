// What a step of a recorded run does, in plain words. A test holds that each step of the committed runs has its sentence.

const PROGRAM = "the container's program";

// Beginnings of `what`, and what that is for. The longest one that fits counts.
const PURPOSES = {
  "RunPodSandbox": "asks for a pod: its network, its namespaces, and the pause container that holds them",
  "CreateContainer": "asks for a container in that pod: a file system and a record; no process yet",
  "StartContainer": "asks for the container's process",

  "GET /images/": "asks whether the image is there",
  "POST /containers/create": "has a container made: a layer of its own, and its files and configuration",
  "POST /containers/ID/start": "has the container started",
  "GET /containers/ID/json": "reads all that is known about the container",

  "containerd.services.leases.v1.Leases/Create": "takes a lease: nothing new may be collected as garbage before a record refers to it",
  "containerd.services.leases.v1.Leases/Delete": "gives the lease back",
  "containerd.services.images.v1.Images/Get": "looks the image up by its name",
  "containerd.services.content.v1.Content/Info": "asks how large a file of the image is",
  "containerd.services.content.v1.Content/Read": "reads a small file of the image: a manifest or a configuration",
  "containerd.services.snapshots.v1.Snapshots/Prepare": "has a writable layer made on top of the image",
  "containerd.services.snapshots.v1.Snapshots/Mounts": "asks how that layer is mounted",
  "containerd.services.snapshots.v1.Snapshots/Stat": "asks about a layer",
  "containerd.services.containers.v1.Containers/Create": "writes the record of the container, with its runtime specification",
  "containerd.services.containers.v1.Containers/Get": "reads the record of the container",
  "containerd.services.containers.v1.Containers/Update": "adds to the record what is known by now",
  "containerd.services.tasks.v1.Tasks/Create": "has the container's process prepared: a shim and runc get to work, and nothing of the image runs yet",
  "containerd.services.tasks.v1.Tasks/Start": "has the prepared process begin",
  "containerd.services.tasks.v1.Tasks/Get": "asks for the state of a process",
  "containerd.services.tasks.v1.Tasks/Wait": "waits for the end of a process",
  "containerd.services.version.v1.Version/Version": "makes a call that does nothing",
  "containerd.services.events.ttrpc.v1.Events/Forward": "reports an event: something began or ended",

  "containerd.task.v3.Task/Create": "has the container's process prepared by the shim",
  "containerd.task.v3.Task/Start": "has the shim start the prepared process",
  "containerd.task.v3.Task/Connect": "asks the shim for the process ids that it has",
  "containerd.task.v3.Task/State": "asks the shim for the state of a process",
  "containerd.task.v3.Task/Wait": "waits for the end of a process",

  "metadata.sandbox.": "keeps the record of the sandbox in its own store",
  "metadata.containers.": "keeps the record of the container in its own store",
  "metadata.snapshot": "notes a layer in its own store",
  "metadata.": "keeps a record in its own store",
  "client.NewContainer": "makes the container's record and layer, by calls of functions",
  "client.LoadContainer": "reads the container's record",
  "container.": "works on the container's process, by calls of functions",
  "task.": "works on the container's process, by calls of functions",

  "loopback ": "brings the loopback interface up in the pod's network namespace",
  "bridge ": "connects the pod to the node's bridge, and gives it an address",
  "portmap ": "forwards ports of the node to the pod, where it has any",
  "bandwidth ": "limits the pod's bandwidth, where that is asked for",

  "shim start": "runs a short program that starts a shim, or that knows the pod's own",
  "shim serving": "begins, and stays for as long as its containers",
  "runc create": "has runc make namespaces, cgroup and mounts, and a process that waits in them",
  "runc init": "begins inside: this process sets itself up and will become the container's own",
  "runc start": "has runc let the waiting process go on",
  "runc ": "runs runc",
  [PROGRAM]: "is the container's own from now on: it executes the program of the image",

  "nsenter": "looks into the pod's network namespace, to learn its address",
  "set-ipv6": "is dockerd itself, which runs once more to set up the pod's network namespace",
  "shim-calls": "is cri-shim's script in the shim's place: it answers where no shim is needed, else it becomes the shim's program",
};

/** Return the sentence of a step, without how it is known; empty when there is none for it. */
export function sentence({ from, to, what }) {
  const purpose = purposeOf(what);
  return purpose && `${subjectOf(from, to, what)} ${purpose}.`;
}

function subjectOf(from, to, what) {
  if (what === PROGRAM) return "This process";
  if (to === "CNI") return `The plugin ${what.split(" ")[0]}`;
  if (to === "program") return `${what}, run by ${from},`;
  return from === "kubelet" || from === "shim" ? `The ${from}` : from;
}

function purposeOf(what) {
  const matching = Object.keys(PURPOSES).filter((start) => what.startsWith(start));
  return PURPOSES[matching.sort((a, b) => b.length - a.length)[0]] ?? "";
}
