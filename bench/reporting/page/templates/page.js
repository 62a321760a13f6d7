"use strict";
/* Tables that sort and filter, charts in the page's colours, and links that open what they lead to. */
const specs = JSON.parse(document.getElementById("specs").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");

function sortable(table, options) {
  return new DataTable(table, { paging: false, searching: false, info: false, autoWidth: false, order: [], layout: { topStart: null, topEnd: null, bottomStart: null, bottomEnd: null }, ...options });
}

function leaderboard(table) {
  const form = document.querySelector(".filters");
  const long = table.tBodies[0].rows.length > 100;
  const bottom = long ? { layout: { topStart: null, topEnd: null, bottomStart: null, bottomEnd: "paging" }, paging: true, pageLength: 100 } : {};
  const high = { targets: "high", orderSequence: ["desc", "asc"] };
  const board = sortable(table, { searching: true, columnDefs: [high], ...bottom });
  const count = form.querySelector("[data-count]");
  const selects = [...form.querySelectorAll("[data-filter]")];
  const fitted = [...table.tBodies[0].rows].some((row) => row.dataset.trained === "no");
  const trainedOnly = form.querySelector("option[data-trained]");
  if (trainedOnly) fitted ? (trainedOnly.selected = true) : trainedOnly.remove();
  board.search.fixed("choices", (text, data, index) => {
    const row = board.row(index).node();
    return selects.every((select) => {
      const option = select.selectedOptions[0];
      if ("trained" in option.dataset) return row.dataset.trained === "yes";
      return !option.value || row.dataset[select.dataset.filter] === option.value;
    });
  });
  const draw = () => {
    board.search(form.querySelector("[data-find]").value).draw();
    const pager = board.table().container().querySelector(".dt-paging");
    if (pager) pager.hidden = board.page.info().pages < 2;
    count.textContent = `${board.rows({ search: "applied" }).count()} of ${board.rows().count()} rows`;
  };
  form.addEventListener("input", draw);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  draw();
}

/* Many entries, or a narrow page: the legend stands below in columns, and the chart grows by its height. */
function legendOf(traces, width, printing) {
  const names = [...new Set(traces.filter((trace) => trace.showlegend !== false).map((trace) => trace.name))];
  const below = names.length > 0 && (width < 560 || printing || names.length > 8);
  if (!below) return { legend: {}, room: 0 };
  const entry = Math.min(Math.max(...names.map((name) => name.length)) * 6.15, width - 60);
  const room = Math.ceil(names.length / Math.max(1, Math.floor((width - 90) / (entry + 45)))) * 20 + 16;
  return { room, legend: { orientation: "h", x: 0, y: 0, yref: "container", yanchor: "bottom", font: { size: 11 }, entrywidth: entry, tracegroupgap: 0, maxheight: room + 20 } };
}

function themed(layout, legend, printing, height) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => (printing ? { "--text": "#000", "--line": "#bbb" }[name] : style.getPropertyValue(name).trim());
  const axis = { gridcolor: colour("--line"), linecolor: colour("--line"), zerolinecolor: colour("--line"), automargin: true };
  return {
    ...layout, xaxis: { ...layout.xaxis, ...axis }, yaxis: { ...layout.yaxis, ...axis },
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", hovermode: "closest", dragmode: false, legend,
    font: { color: colour("--text"), family: getComputedStyle(document.body).fontFamily, size: 13 },
    margin: { l: 56, r: 12, t: 12, b: 52 }, ...(printing ? { width: 600, height } : {}),
  };
}

function draw(name, printing = false) {
  const plot = document.getElementById(name);
  const views = specs[name].views;
  const select = document.querySelector(`select[data-chart="${name}"]`);
  const view = select ? select.value : Object.keys(views)[0];
  const traces = structuredClone(views[view]);
  const { legend, room } = legendOf(traces, printing ? 600 : plot.clientWidth, printing);
  const narrow = innerWidth < 800;
  const tilted = specs[name].layout.xaxis.type === "category" ? Math.max(...traces.map((trace) => trace.name.length)) * (narrow ? 6.5 : 3) : 0;
  const height = (printing ? 320 : narrow ? 384 : 432) + room + tilted;
  plot.style.height = `${height}px`;
  const layout = themed(specs[name].layout, legend, printing, height);
  const axis = layout[`${specs[name].varies}axis`];
  if (axis) axis.title = { text: view.split(" (")[0].replaceAll("&", "&amp;").replaceAll("<", "&lt;") };
  return Plotly.react(plot, traces, layout, { displayModeBar: false, responsive: true });
}

function open(hash) {
  let target = hash.length > 1 && document.getElementById(decodeURIComponent(hash.slice(1)));
  for (let node = target; node; node = node.parentElement) if (node.tagName === "DETAILS") node.open = true;
  if (target && target.tagName === "DETAILS") {
    target.scrollIntoView();
    target.querySelector("summary").focus({ preventScroll: true });
  }
}

/* Whether there is more to the left or to the right: the style sheet fades that edge. */
function edges(box) {
  const room = box.scrollWidth - box.clientWidth;
  box.dataset.more = `${box.scrollLeft > 2 ? "left" : ""} ${box.scrollLeft < room - 2 ? "right" : ""}`.trim();
}

/* A sheet with words that is shown smaller than it is can be enlarged. */
function zoomable(shot) {
  const picture = shot.querySelector("img");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "zoom";
  button.textContent = "full size";
  button.setAttribute("aria-pressed", "false");
  button.addEventListener("click", () => {
    button.setAttribute("aria-pressed", shot.classList.toggle("full"));
    shot.querySelectorAll(".sheet").forEach(edges);
  });
  const fit = () => (button.hidden = picture.width >= picture.naturalWidth && !shot.classList.contains("full"));
  shot.querySelector("figcaption").append(button);
  new ResizeObserver(fit).observe(picture);
  picture.decode().then(fit, () => {});
}

function printed(on) {
  document.querySelectorAll("details.long").forEach((part) => {
    if (on) part.dataset.was = part.open ? "open" : "closed";
    part.open = on || part.dataset.was === "open";
  });
  names.forEach((name) => draw(name, on));
}

const board = document.getElementById("leaderboard");
if (board) leaderboard(board);
document.querySelectorAll("table.sortable").forEach((table) => sortable(table, {}));
const names = Object.keys(specs);
names.forEach((name) => draw(name));
document.querySelectorAll("select[data-chart]").forEach((select) => select.addEventListener("input", () => draw(select.dataset.chart)));
dark.addEventListener("change", () => names.forEach((name) => draw(name)));
addEventListener("beforeprint", () => printed(true));
addEventListener("afterprint", () => printed(false));
const sizes = new ResizeObserver((found) => found.forEach(({ target }) => edges(target)));
document.querySelectorAll(".scroll, .sheet").forEach((box) => {
  sizes.observe(box);
  box.addEventListener("scroll", () => edges(box), { passive: true });
});
document.querySelectorAll(".shot.wide").forEach(zoomable);
addEventListener("hashchange", () => open(location.hash));
open(location.hash);
document.documentElement.dataset.ready = "yes";
