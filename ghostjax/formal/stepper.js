"use strict";
// data: {variables: [{name, shape, low, high}], states: [[flat values]], claims: [names], witnesses: [names],
//        broken: {state: [claims]}, reached: {state: [witnesses]},
//        trace: {labels, loop, properties} or graph: {initial, edges: [[label, target], ...] per state, labels}}
const data = JSON.parse(document.getElementById("data").textContent);
const $ = id => document.getElementById(id);
const exploring = !data.trace;
// A walk: indices of states with the label that led to each.
let walk = exploring ? [{ state: data.graph.initial[0], label: "initially" }]
                     : data.trace.labels.map((label, i) => ({ state: i, label }));
// A counterexample opens where it ends: at the violation.
let at = exploring ? 0 : walk.length - 1;

const element = (tag, text, kind) => {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
};

function cells(values, before, { shape, low, high }) {
  const grid = element("div", undefined, "cells");
  const columns = shape.length ? shape[shape.length - 1] : 1;
  grid.style.gridTemplateColumns = `repeat(${Math.max(columns, 1)}, auto)`;
  values.forEach((value, i) => {
    const changed = before && before[i] !== value;
    const outside = value < low || value > high;
    const cell = element("span", value, "cell" + (outside ? " outside" : changed ? " changed" : value === 0 ? " zero" : ""));
    const said = [changed ? `was ${before[i]}` : "", outside ? `declared ${low} to ${high}` : ""].filter(Boolean);
    if (said.length) cell.title = said.join(", ");
    // A gap between blocks of arrays with three axes or more.
    if (shape.length > 2 && i % (columns * shape[shape.length - 2]) < columns && i >= columns) cell.style.marginTop = "8px";
    grid.append(cell);
  });
  return grid;
}

function drawState() {
  const here = data.states[walk[at].state], last = at ? data.states[walk[at - 1].state] : null;
  const body = $("state");
  body.replaceChildren();
  let start = 0;
  for (const variable of data.variables) {
    const { name, shape, low, high } = variable;
    const size = shape.reduce((a, b) => a * b, 1);
    const values = here.slice(start, start + size), before = last && last.slice(start, start + size);
    start += size;
    const changed = before && values.some((value, i) => value !== before[i]);
    const row = element("tr", undefined, changed ? "changed" : "");
    row.append(element("td", name));
    const now = element("td");
    now.append(cells(values, before, variable));
    const was = element("td", undefined, "was");
    if (changed) was.append(cells(before, null, variable));
    row.append(now, was, element("td", low, "was"), element("td", high, "was"));
    body.append(row);
  }
  const broken = (data.broken[walk[at].state] || []).concat(!exploring && at === walk.length - 1 ? data.trace.properties : []);
  const reached = data.reached[walk[at].state] || [];
  const violated = !exploring && data.trace.loop !== null ? "never comes true on this behaviour" : "violated";
  const claims = $("claims");
  claims.replaceChildren();
  for (const name of new Set([...data.claims, ...broken]))
    claims.append(element("span", `${name}: ${broken.includes(name) ? violated : "holds"}`, "claim" + (broken.includes(name) ? " bad" : "")));
  for (const name of data.witnesses)
    if (reached.includes(name)) claims.append(element("span", "reached: " + name, "claim reached"));
}

function drawWalk() {
  const list = $("walk");
  list.replaceChildren();
  walk.forEach((step, i) => {
    if (!exploring && data.trace.loop === i) list.append(element("li", "from here on repeated for ever", "loop"));
    const button = element("button");
    button.append(element("span", i + 1, "n"), element("span", step.label));
    if (i === at) button.setAttribute("aria-current", "step");
    button.onclick = () => go(i);
    const item = element("li");
    item.append(button);
    list.append(item);
  });
  const current = list.querySelector("[aria-current]");
  if (current) current.scrollIntoView({ block: "nearest" });
}

function drawChoices() {
  if (!exploring) return;
  const list = $("choices"), state = walk[at].state;
  list.replaceChildren();
  const edges = data.graph.edges[state];
  $("choices-title").textContent = edges.length ? `${edges.length} enabled` : "nothing is enabled here";
  edges.forEach(([label, target], k) => {
    const button = element("button");
    button.append(element("span", k < 9 ? k + 1 : "", "n"), element("span", data.graph.labels[label]));
    const note = target === state ? "stays" : walk.slice(0, at + 1).some(s => s.state === target) ? "been there" : data.broken[target] ? "violates" : "";
    if (note) button.append(element("span", note, "note"));
    button.onclick = () => take(k);
    const item = element("li");
    item.append(button);
    list.append(item);
  });
}

function draw() {
  $("where").textContent = `state ${at + 1} of ${walk.length}` + (exploring ? "" : data.trace.loop !== null ? ", then repeats" : "");
  $("first").disabled = $("previous").disabled = at === 0;
  $("next").disabled = $("last").disabled = at === walk.length - 1;
  drawWalk();
  drawState();
  drawChoices();
}

function go(i) {
  at = Math.max(0, Math.min(walk.length - 1, i));
  draw();
}

function take(k) {
  const edge = data.graph.edges[walk[at].state][k];
  if (!edge) return;
  walk = walk.slice(0, at + 1).concat({ state: edge[1], label: data.graph.labels[edge[0]] });
  go(at + 1);
}

$("first").onclick = () => go(0);
$("previous").onclick = () => go(at - 1);
$("next").onclick = () => go(at + 1);
$("last").onclick = () => go(walk.length - 1);
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const moves = { ArrowRight: at + 1, ArrowLeft: at - 1, j: at + 1, k: at - 1, Home: 0, End: walk.length - 1 };
  if (event.key in moves) { event.preventDefault(); go(moves[event.key]); }
  else if (exploring && /^[1-9]$/.test(event.key)) take(Number(event.key) - 1);
});
if (exploring) {
  const initial = $("initial");
  data.graph.initial.forEach((state, i) => initial.append(new Option(`initial state ${i + 1} of ${data.graph.initial.length}`, state)));
  initial.hidden = data.graph.initial.length < 2;
  initial.onchange = () => { walk = [{ state: Number(initial.value), label: "initially" }]; go(0); };
}
draw();
