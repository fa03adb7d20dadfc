// Run in the explorer page by appearance.py, with axe-core loaded. Returns the rules that the page breaks, with the first places of each.
async (choice) => {
  const { violations } = await axe.run(document, { runOnly: choice, resultTypes: ["violations"] });
  // A bar of a timeline is as long as its request took. The table below it has the same links, at full size (WCAG 2.5.8, "Equivalent").
  const exempt = (rule, { target }) => rule === "target-size" && target.join(" ").includes(".request-bar");
  return violations.flatMap(({ id, help, nodes }) => {
    const places = nodes.filter((node) => !exempt(id, node)).slice(0, 4).map(({ target, any, all, none }) =>
      `    ${target.join(" ")}: ${[...any, ...all, ...none].map(({ message }) => message).join("; ")}`);
    return places.length ? [[`${id}: ${help}`, ...places].join("\n")] : [];
  });
}
