// What is wrong with a page for those who cannot see it well or use no mouse, as sentences. WCAG 2.2 gives the numbers.
() => {
  const wrong = [];
  const about = (element) => `${element.localName}${element.id ? "#" + element.id : ""} "${(element.textContent || element.name || "").trim().slice(0, 40)}"`;
  const all = (selector) => [...document.querySelectorAll(selector)].filter((one) => one.checkVisibility({ visibilityProperty: true }));
  const named = (element) => (element.getAttribute("aria-label") || element.textContent || "").trim();

  if (document.querySelectorAll("h1").length !== 1) wrong.push(`${document.querySelectorAll("h1").length} first headings`);
  if (!document.title || !document.documentElement.lang) wrong.push("no title or language");
  if (!document.querySelector("a.skip[href='#content']") || !document.querySelector("main#content")) wrong.push("nothing to skip to");
  for (const one of all("input:not([type=hidden]), select, textarea")) {
    if (!one.labels.length && !one.getAttribute("aria-label")) wrong.push(`no label: ${about(one)}`);
  }
  for (const one of all("a, button, summary, th")) if (!named(one)) wrong.push(`no name: ${about(one)}`);
  for (const one of all("img")) if (!one.hasAttribute("alt")) wrong.push("a picture without words");
  for (const one of all("table:not(.u-legend)")) {
    if (!one.querySelector("thead th[scope=col]")) wrong.push("a table without headings");
    for (const row of one.tBodies[0].rows) if (row.cells.length > one.tHead.rows[0].cells.length) wrong.push(`more cells than headings: ${about(row)}`);
  }
  const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
  for (const id of new Set(ids.filter((one, place) => ids.indexOf(one) !== place))) wrong.push(`two of the id ${id}`);
  for (const one of document.querySelectorAll("[aria-describedby], [aria-labelledby], [aria-controls]")) {
    for (const name of ["aria-describedby", "aria-labelledby", "aria-controls"]) {
      const id = one.getAttribute(name);
      if (id && !document.getElementById(id)) wrong.push(`${name} leads nowhere: ${about(one)}`);
    }
  }

  // 1.4.3: 4.5 to 1, and 3 to 1 for large text.
  const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((one) => ((one /= 255) <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const found = channels(getComputedStyle(one).backgroundColor);
      if (found.length === 3 || found[3] === 1) return found;
    }
    return [255, 255, 255];
  };
  const seen = new Set();
  for (const one of all("body *")) {
    if (![...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()) || one.closest(".visually-hidden, .skip, button:disabled")) continue;
    const style = getComputedStyle(one);
    const [a, b] = [light(channels(style.color)), light(behind(one))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05), size = parseFloat(style.fontSize);
    const wanted = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    const said = `contrast ${ratio.toFixed(2)}: ${style.color} in ${one.localName}.${one.className}`;
    if (ratio < wanted && !seen.has(said)) seen.add(said) && wrong.push(said);
  }

  // 2.4.7: where the focus is can be seen. The test has pressed a key before, so focus counts as of the keyboard.
  for (const one of all("a, button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']")) {
    if (one.disabled) continue;
    one.focus();
    const style = getComputedStyle(one);
    if (document.activeElement !== one || style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2) wrong.push(`the focus cannot be seen: ${about(one)}`);
  }
  document.activeElement?.blur();
  scrollTo(0, 0);
  for (const one of all(".scroll")) one.scrollLeft = 0;
  return wrong;
}
