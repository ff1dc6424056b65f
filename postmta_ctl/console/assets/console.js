// What pages cannot say in HTML: the menu button of narrow screens, copying, plots, and that an answer is missing.
"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");
  const plots = new Map();

  const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const HOUR = 3600, DAY = 86400;
  const STEPS = { hour: [1, 2, 3, 6, 12, 24, 48, 7 * 24, 14 * 24].map((one) => one * HOUR), day: [1, 2, 7, 14, 30].map((one) => one * DAY) };
  const percent = (share) => `${Number((share * 100).toPrecision(3))} %`;
  const short = (value) => (Math.abs(value) >= 1e4 ? Intl.NumberFormat("en", { notation: "compact" }).format(value) : String(value));
  const asTick = (value, unit) => (unit === "share" ? percent(value) : value % 1 ? "" : short(value));
  const asValue = (value, unit) => (value == null ? "–" : unit === "share" ? percent(value) : value.toLocaleString("en"));

  function when(ticks, step) {
    return ticks.map((seconds, index) => {
      const [day, clock] = new Date(seconds * 1e3).toISOString().split("T");
      return step >= DAY ? day.slice(5) : clock.slice(0, 5) + (index === 0 || clock.startsWith("00:00") ? `\n${day.slice(5)}` : "");
    });
  }

  function axes(unit, every) {
    const line = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
    // Times are those of UTC, as everywhere; counts need no fractions of a message.
    return [
      { ...line, space: 60, incrs: STEPS[every], values: (_, ticks, __, ___, step) => when(ticks, step) },
      { ...line, size: 60, values: (_, ticks) => ticks.map((one) => asTick(one, unit)) },
    ];
  }

  // A dashed line at the moment, with its words along it.
  function mark(plot, marks) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.setLineDash([4, 4]);
    ctx.strokeStyle = ctx.fillStyle = colour("--soft");
    ctx.font = `${11 * devicePixelRatio}px sans-serif`;
    for (const { time, label } of marks) {
      const x = plot.valToPos(time, "x", true);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      ctx.save();
      ctx.translate(x + 11 * devicePixelRatio, bbox.top + 4);
      ctx.rotate(Math.PI / 2);
      ctx.fillText(label, 0, 0);
      ctx.restore();
    }
    ctx.restore();
  }

  function draw(box) {
    const { times, series, unit, every, marks } = JSON.parse(box.dataset.plot);
    plots.get(box)?.destroy();
    const options = {
      width: Math.max(box.clientWidth, 240), height: 230, axes: axes(unit, every), legend: { live: true },
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1e3), "UTC"),
      hooks: { draw: [(plot) => mark(plot, marks)] },
      scales: {
        // A single point stands between its neighbours.
        x: { range: (_, first, last) => (times.length === 1 ? [first - STEPS[every][0], first + STEPS[every][0]] : [first, last]) },
        y: { range: (_, __, most) => [0, unit === "count" ? Math.max(1, most * 1.08) : Math.min(1, most * 1.08) || 1] },
      },
      series: [
        { value: (_, at) => (at == null ? "–" : new Date(at * 1e3).toISOString().slice(0, every === "day" ? 10 : 16).replace("T", " ")) },
        ...series.map((one, index) => ({
          label: one.name, stroke: colour(`--series-${(index % 5) + 1}`), width: 2, spanGaps: true,
          // A line needs two points; a single one is shown as what it is.
          points: { show: times.length < 40, size: 6, fill: colour("--card") },
          value: (_, value) => asValue(value, unit),
        })),
      ],
    };
    box.replaceChildren();
    plots.set(box, new uPlot(options, [times, ...series.map((one) => one.values)], box));
  }

  function drawAll(within) {
    for (const box of within.querySelectorAll("[data-plot]")) {
      if (JSON.parse(box.dataset.plot).times.length) draw(box);
    }
    for (const box of plots.keys()) if (!box.isConnected) plots.delete(box);
  }

  document.addEventListener("DOMContentLoaded", () => drawAll(document));
  document.addEventListener("htmx:afterSwap", (event) => drawAll(event.detail.target.parentElement ?? document));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll(document));
  let resizing;
  addEventListener("resize", () => { clearTimeout(resizing); resizing = setTimeout(() => drawAll(document), 150); });

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button");
    if (button?.matches(".menu-button")) {
      const open = document.querySelector(".menu").classList.toggle("open");
      button.setAttribute("aria-expanded", String(open));
    } else if (button?.dataset.copy !== undefined) {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
    }
  });

  // A form that was sent once is not sent again by an impatient second click.
  document.addEventListener("submit", (event) => {
    if (event.target.method === "post") setTimeout(() => event.target.querySelectorAll("button").forEach((one) => (one.disabled = true)));
  });
  addEventListener("pageshow", () => document.querySelectorAll("form button").forEach((one) => (one.disabled = false)));

  for (const name of ["htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(name, (event) => {
      event.detail.elt.classList.add("stale");
      const waiting = event.detail.elt.querySelector(".waiting");
      if (waiting) waiting.textContent = "There is no answer yet; it is asked again by itself.";
    });
  }
  document.addEventListener("htmx:afterRequest", (event) => { if (event.detail.successful) event.detail.elt.classList.remove("stale"); });
})();
