// Machines, each with its line of time.

import { h, keyed, link, mark, name, once, say, table } from "./dom.js";
import { empty } from "./lines.js";
import { clock, count, counts, now, rate, span, when } from "./words.js";

// A phone's rows are tall.
const first = () => (matchMedia("(max-width: 60rem)").matches ? 20 : 100);
// Phase, and what it means, in the order of a machine's life.
const KINDS = {
  booting: "boots", ready: "online, waits for a job", busy: "runs a job", ending: "job over, ends itself",
  lost: "lost, gone or stopped",
};
const TROUBLED = new Set(["lost", "gone", "stopped", "unnamed", "dangling"]);
const ENDS = { interrupted: "taken back by AWS", failed: "never came online", done: "ended" };
const STEPS = { 1: 600, 6: 3600, 24: 4 * 3600 };

const body = (id) => document.getElementById(id);
const look = { hours: 6, all: false, words: [] };
let list = null;

export function setUp(again) {
  const kept = read("runnerkit-hours");
  if (STEPS[kept]) look.hours = Number(kept);
  for (const input of document.querySelectorAll("#hours input")) {
    input.checked = Number(input.value) === look.hours;
    input.addEventListener("change", () => {
      look.hours = Number(input.value);
      write("runnerkit-hours", input.value);
      again();
    });
  }
  body("filter").addEventListener("input", (event) => {
    look.words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    again();
  });
  setUpTip(body("machines-body"));
}

export function read(key) {
  try { return localStorage.getItem(key); } catch { return null; }
}

export function write(key, value) {
  try { localStorage.setItem(key, value); } catch { /* No storage here: it is forgotten. */ }
}

// --- the list --------------------------------------------------------------------------------------------------------

function fits(machine) {
  const text = [machine.name, machine.instance, machine.repo, machine.title, machine.type, machine.zone, machine.market, machine.phase, machine.end];
  const whole = text.join(" ").toLowerCase();
  return look.words.every((word) => whole.includes(word));
}

export function showMachines(view, again) {
  const place = body("machines-body");
  const from = now() - look.hours * 3600;
  const known = view.machines.filter((each) => each.until === null || each.until > from);
  const fitting = look.words.length ? known.filter(fits) : known;
  const live = fitting.filter((each) => each.until === null).length;
  const sum = [live && `${live} live`, fitting.length - live && `${fitting.length - live} ended`, view.left_out && `${view.left_out} older ones not listed`];
  say(body("machines-sum"), sum.filter(Boolean).join(" · "));
  if (!fitting.length) {
    list = null;
    place.said = undefined;
    const hours = count(look.hours, "hour");
    once(place, [known.length, look.hours], () => known.length
      ? empty("No machine fits the filter.", `There are ${known.length}.`)
      : empty(`No machine in the last ${hours}.`, "One is launched as soon as a job asks for it, and ends itself when the job is over."));
    return;
  }
  if (!list) list = build(place, again);
  axis(view, from);
  keyed(list.table, look.all ? fitting : fitting.slice(0, first()), (each) => each.instance || each.name, machineRow);
  list.more.hidden = fitting.length <= first();
  say(list.more, look.all ? `Show the first ${first()}` : `Show all ${count(fitting.length, "machine")}`);
}

function build(place, again) {
  const columns = [["Machine"], ["Job"], ["Hardware"], ["", "axis"], ["Age", "right"]];
  const made = table("Machines and what they did, newest first", columns);
  const whole = made.body.parentElement;
  made.body.remove();
  const head = whole.querySelector(".axis");
  head.append(h("span", { class: "unseen" }, "Timeline"), h("div", { class: "ticks", "aria-hidden": "true" }));
  const more = h("button", { type: "button", class: "more" });
  more.addEventListener("click", () => { look.all = !look.all; again(); });
  place.said = undefined;
  place.replaceChildren(legend(), made.node, more);
  made.node.classList.add("machines");
  return { table: rows(whole), whole, ticks: head.querySelector(".ticks"), more };
}

// Each machine is a body of the table, so that its details are one with it; only these are looked at.
function rows(whole) {
  return {
    get firstElementChild() { return whole.tBodies[0] ?? null; },
    append: (node) => whole.append(node),
    insertBefore: (node, before) => whole.insertBefore(node, before),
  };
}

function legend() {
  const keys = Object.entries(KINDS).map(([kind, means]) => h("li", {}, h("span", { class: "swatch", "data-kind": kind }), means));
  const ends = [["interrupted", "⚡", "taken back by AWS"], ["failed", "✕", "never came online"]];
  keys.push(...ends.map(([end, sign, means]) => h("li", {}, h("span", { class: "sign", "data-end": end }, sign), means)));
  return h("ul", { class: "legend", "aria-label": "Legend of the timeline" }, ...keys);
}

function axis(view, from) {
  const whole = look.hours * 3600;
  // As many as there is room for, and always at full hours or parts of them.
  const room = Math.max(1, Math.floor(list.ticks.clientWidth / 56));
  const least = STEPS[look.hours];
  const step = least * [1, 2, 3, 6].find((times) => whole / (least * times) <= room || times === 6);
  // Full hours as the reader's clock has them.
  const shift = new Date().getTimezoneOffset() * 60;
  const first = Math.ceil((from - shift) / step) * step + shift;
  const size = step / whole;
  list.whole.style.setProperty("--step", `${100 * size}%`);
  list.whole.style.setProperty("--shift", `${(100 * ((first - from) / whole)) / (1 - size)}%`);
  const ticks = [];
  for (let at = first; at < from + whole * 0.97; at += step) if (at > from + whole * 0.02) ticks.push(at);
  const missed = view.missed.filter((at) => at > from);
  keyed(list.ticks, [...ticks.map((at) => ["tick", at]), ...missed.map((at, index) => ["missed", at, index])], (each) => each.join(), ([kind, at]) => {
    const node = h("span", { class: kind, "data-tip": kind === "missed" ? `A launch failed at ${clock(at, true)}` : null }, kind === "tick" ? clock(at) : "✕");
    return { node, update: () => { node.style.left = `${(100 * (at - (now() - whole))) / whole}%`; } };
  });
}

// --- one machine -----------------------------------------------------------------------------------------------------

let serial = 0;

function machineRow() {
  const id = `machine-${(serial += 1)}`;
  const pill = h("span", { class: "pill" });
  const button = h("button", { type: "button", class: "name", "aria-expanded": "false", "aria-controls": id });
  const job = h("td", { class: "who" });
  const hardware = h("td", { class: "hardware" });
  const lane = h("div", { class: "lane", role: "img" });
  const age = h("span");
  const details = h("td", { colspan: 5 });
  const open = h("tr", { id, class: "details", hidden: true }, details);
  const node = h("tbody", {}, h("tr", {}, h("td", { class: "machine" }, pill, button), job, hardware, h("td", { class: "time" }, lane), h("td", { class: "right num" }, age)), open);
  let shown = null;
  button.addEventListener("click", () => {
    open.hidden = !open.hidden;
    mark(button, "aria-expanded", String(!open.hidden));
    if (!open.hidden) once(details, detailed(shown), () => detail(shown));
  });
  const update = (machine) => {
    shown = machine;
    const state = machine.end || machine.phase || "unknown";
    mark(node, "data-machine", machine.name);
    mark(node, "class", machine.until === null ? null : "over");
    mark(pill, "data-state", TROUBLED.has(state) ? "lost" : state);
    say(pill, state === "done" ? "ended" : state);
    once(button, machine.name, () => name(machine.name));
    once(job, [machine.url, machine.title, machine.repo, machine.run], () => jobOf(machine));
    once(hardware, [machine.type, machine.zone, machine.market, machine.price], () => hardwareOf(machine));
    mark(lane, "aria-label", story(machine));
    lanes(lane, machine);
    if (machine.until === null) counts(age, "since", machine.since);
    else say(counts(age, "since", null), span(machine.until - machine.since));
    if (!open.hidden) once(details, detailed(machine), () => detail(machine));
  };
  return { node, update };
}

function jobOf(machine) {
  const title = machine.title || (machine.job ? `job ${machine.job}` : machine.run ? `run ${machine.run}` : "no job yet");
  return [h("div", { class: "strong" }, link(machine.url, name(title))), h("div", { class: "soft" }, name(machine.repo), machine.run && machine.title ? ` #${machine.run}` : "")];
}

function hardwareOf(machine) {
  if (!machine.instance) return [h("div", { class: "soft" }, "no instance yet")];
  return [h("div", {}, machine.type), h("div", { class: "soft" }, `${machine.zone} · ${machine.market} · ${rate(machine.price)}`)];
}

function lanes(lane, machine) {
  const whole = look.hours * 3600;
  const from = now() - whole;
  const place = (at) => (100 * (Math.min(Math.max(at, from), from + whole) - from)) / whole;
  const parts = machine.segments.filter(([, , end]) => end === null || end > from).map(([kind, begin, end]) => ({ kind, begin, end }));
  if (machine.end && machine.end !== "done") parts.push({ kind: "end", begin: machine.until, end: machine.end });
  keyed(lane, parts, (part) => `${part.kind} ${part.begin}`, (part) => {
    const node = part.kind === "end" ? h("span", { class: "sign", "data-end": part.end }, part.end === "interrupted" ? "⚡" : "✕")
      : h("span", { class: "part", "data-kind": TROUBLED.has(part.kind) ? "lost" : part.kind });
    const update = ({ kind, begin, end }) => {
      const left = place(begin);
      node.style.left = `${left}%`;
      if (kind !== "end") node.style.width = `${Math.max(0, place(end ?? now()) - left)}%`;
      mark(node, "data-tip", kind === "end" ? `${ENDS[end]} at ${clock(begin, true)}` : told(kind, begin, end));
    };
    return { node, update };
  });
}

const told = (kind, begin, end) => `${kind} · ${clock(begin)}–${end === null ? "now" : clock(end)} · ${span((end ?? now()) - begin)}`;

// What the line of time shows, in words.
function story(machine) {
  const parts = machine.segments.map(([kind, begin, end]) => `${kind} from ${clock(begin)}${end === null ? " until now" : ` to ${clock(end)}`}`);
  if (machine.end) parts.push(`${ENDS[machine.end]} at ${clock(machine.until)}`);
  return parts.join(", ");
}

// --- details ---------------------------------------------------------------------------------------------------------

// Durations that still grow are left to the next document: details are read, not watched.
const detailed = (machine) => [machine, Math.floor(now() / 10)];

function detail(machine) {
  const facts = [
    ["Instance", machine.instance || "not seen yet"],
    ["Hardware", machine.instance ? `${machine.type}, ${machine.zone}, ${machine.market}, ${rate(machine.price)}` : ""],
    ["Launched", when(machine.since)],
    ["Lease ends", machine.lease === null ? "" : `${when(machine.lease)} (in ${span(machine.lease - now())})`],
    [machine.end ? "Cost" : "Cost so far", machine.price === null ? "" : `$${((machine.price * Math.max(60, (machine.until ?? now()) - machine.since)) / 3600).toFixed(2)}`],
    ["Ended", machine.end ? [when(machine.until), machine.end === "done" ? "" : ENDS[machine.end]].filter(Boolean).join(", ") : ""],
    ["Reason", machine.reason],
    ["Job", machine.title ? `${machine.title} (${machine.job})` : ""],
    ["Repository", machine.repo],
  ];
  const list = facts.filter(([, text]) => text).map(([label, text]) => h("div", {}, h("dt", {}, label), h("dd", {}, name(text))));
  const steps = machine.segments.map(([kind, begin, end]) => h("li", {}, h("span", { class: "swatch", "data-kind": TROUBLED.has(kind) ? "lost" : kind }), told(kind, begin, end)));
  return [h("dl", {}, ...list), h("ol", {}, ...steps)];
}

// --- what a part says when pointed at, or when its machine has the focus ------------------------------------------------

function setUpTip(place) {
  const tip = body("tip");
  const hide = () => { tip.hidden = true; };
  const show = (text, x, y) => {
    say(tip, text);
    tip.hidden = false;
    tip.style.left = `${Math.max(8, Math.min(x - tip.offsetWidth / 2, window.innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${y - tip.offsetHeight - 10 < 8 ? y + 22 : y - tip.offsetHeight - 10}px`;
  };
  place.addEventListener("pointermove", (event) => {
    const part = event.target.closest("[data-tip]");
    if (part) show(part.dataset.tip, event.clientX, part.getBoundingClientRect().top);
    else hide();
  });
  place.addEventListener("pointerleave", hide);
  place.addEventListener("focusin", (event) => {
    const lane = event.target.matches(".name:focus-visible") && event.target.closest("tr").querySelector(".lane");
    if (!lane) return;
    const box = lane.getBoundingClientRect();
    show(lane.getAttribute("aria-label"), box.left + box.width / 2, box.top);
  });
  place.addEventListener("focusout", hide);
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
}
