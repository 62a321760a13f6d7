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
    count.textContent = `${board.rows({ search: "applied" }).count()} of ${board.rows().count()} rows`;
  };
  form.addEventListener("input", draw);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  draw();
}

function themed(layout, printing) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => (printing ? { "--text": "#000", "--line": "#bbb" }[name] : style.getPropertyValue(name).trim());
  const axis = { gridcolor: colour("--line"), linecolor: colour("--line"), zerolinecolor: colour("--line"), automargin: true };
  const narrow = innerWidth < 640;
  const below = { orientation: "h", x: 0, y: 0, yref: "container", yanchor: "bottom", font: { size: 11 } };
  const legend = narrow || printing ? below : {};
  return {
    ...layout, xaxis: { ...layout.xaxis, ...axis }, yaxis: { ...layout.yaxis, ...axis },
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", hovermode: "closest", dragmode: false, legend,
    font: { color: colour("--text"), family: getComputedStyle(document.body).fontFamily, size: 13 },
    margin: { l: 56, r: 12, t: 12, b: 52 }, ...(printing ? { width: 600, height: 340 } : {}),
  };
}

function draw(name, printing = false) {
  const plot = document.getElementById(name);
  const views = specs[name].views;
  const select = document.querySelector(`select[data-chart="${name}"]`);
  const view = select ? select.value : Object.keys(views)[0];
  const layout = themed(specs[name].layout, printing);
  const axis = layout[`${specs[name].varies}axis`];
  if (axis) axis.title = { text: view.split(" (")[0].replaceAll("&", "&amp;").replaceAll("<", "&lt;") };
  return Plotly.react(plot, structuredClone(views[view]), layout, { displayModeBar: false, responsive: true });
}

function open(hash) {
  let target = hash.length > 1 && document.getElementById(decodeURIComponent(hash.slice(1)));
  for (let node = target; node; node = node.parentElement) if (node.tagName === "DETAILS") node.open = true;
  if (target && target.tagName === "DETAILS") {
    target.scrollIntoView();
    target.querySelector("summary").focus({ preventScroll: true });
  }
}

const board = document.getElementById("leaderboard");
if (board) leaderboard(board);
document.querySelectorAll("table.sortable").forEach((table) => sortable(table, {}));
const names = Object.keys(specs);
names.forEach((name) => draw(name));
document.querySelectorAll("select[data-chart]").forEach((select) => select.addEventListener("input", () => draw(select.dataset.chart)));
dark.addEventListener("change", () => names.forEach((name) => draw(name)));
addEventListener("beforeprint", () => names.forEach((name) => draw(name, true)));
addEventListener("afterprint", () => names.forEach((name) => draw(name)));
addEventListener("hashchange", () => open(location.hash));
open(location.hash);
document.documentElement.dataset.ready = "yes";
