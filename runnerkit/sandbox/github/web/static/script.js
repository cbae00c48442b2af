// Keeps a page true while it is open: clocks, what changed, the log of a running job.
"use strict";

const offset = Date.parse(document.documentElement.dataset.now) - Date.now();
const worldNow = () => Date.now() + offset;

function coarse(seconds) {
  for (const [size, unit] of [[86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]]) {
    const count = Math.floor(seconds / size);
    if (count >= 1) return `${count} ${unit}${count > 1 ? "s" : ""}`;
  }
  return "";
}

function ago(element) {
  const seconds = (worldNow() - Date.parse(element.dateTime)) / 1000;
  if (Math.abs(seconds) >= 30 * 86400) return element.textContent;
  if (Math.abs(seconds) < 1) return "now";
  return seconds > 0 ? `${coarse(seconds)} ago` : `in ${coarse(-seconds)}`;
}

function lasted(element) {
  const all = Math.max(0, Math.floor((worldNow() - Date.parse(element.dateTime)) / 1000));
  if (all < 60) return `${all}s`;
  if (all < 3600) return `${Math.floor(all / 60)}m ${all % 60}s`;
  if (all < 86400) return `${Math.floor(all / 3600)}h ${Math.floor((all % 3600) / 60)}m`;
  return `${Math.floor(all / 86400)}d ${Math.floor((all % 86400) / 3600)}h`;
}

function tick() {
  const write = (selector, text) => {
    for (const element of document.querySelectorAll(selector)) {
      const said = text(element);
      if (element.textContent !== said) element.textContent = said;
    }
  };
  write("time[data-ago]", ago);
  write("time[data-since]", lasted);
  write("time[data-clock]", () => new Date(worldNow()).toISOString().slice(11, 19));
}

async function repeatedly(milliseconds, work) {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    if (document.hidden) continue;
    try {
      if (await work()) return;
    } catch {
      document.body.classList.add("cut-off");
      continue;
    }
    document.body.classList.remove("cut-off");
  }
}

// Everything that unfolds, with a name that it keeps when the page is made anew: where it stands, and as which.
function* folding(part) {
  for (const fold of part.querySelectorAll("details")) {
    const place = fold.id ? fold : fold.parentElement.closest("[id]");
    yield [`${place.id} ${[...place.querySelectorAll("details")].indexOf(fold)}`, fold];
  }
}

// A page that shows something else by now is exchanged in place; what the reader opened or is writing stays.
async function refresh() {
  const main = document.querySelector("main[data-live]");
  const address = new URL(location.href);
  address.searchParams.set("live", main.dataset.live);
  const answer = await fetch(address);
  if (answer.status !== 200 || main.contains(document.activeElement?.closest("form"))) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const folds = new Map(folding(main));
  for (const [name, fold] of folding(page)) fold.open = folds.get(name)?.open ?? fold.open;
  const graph = main.querySelector(".graph")?.scrollLeft;
  for (const part of ["main", "header.top"]) document.querySelector(part).replaceWith(page.querySelector(part));
  if (graph) document.querySelector(".graph")?.scrollTo(graph, 0);
  document.title = page.title;
  tick();
}

function append(step, fragments) {
  const log = step.querySelector(".log");
  for (const { fold, html } of fragments) {
    const place = fold === null ? log : log.querySelector(`details[data-fold="${fold}"]`) || log;
    place.insertAdjacentHTML("beforeend", html);
  }
}

function update(steps, told) {
  const step = document.getElementById(`step-${told.number}`);
  const summary = step.querySelector("summary");
  if (summary.innerHTML !== told.summary) summary.innerHTML = told.summary;
  append(step, told.fragments);
  if (told.fragments.length && !step.dataset.touched && told.kind === "running") step.open = true;
  if (step.classList.contains("running") && told.kind === "success" && !step.dataset.touched) step.open = false;
  step.className = `step ${told.kind}`;
  if (told.kind === "failure" && !step.dataset.touched) step.open = true;
}

async function follow(steps) {
  const address = `${steps.dataset.log}?since=${steps.dataset.cursor}&head=${steps.dataset.head || ""}`;
  const answer = await fetch(address);
  if (!answer.ok) return false;
  const told = await answer.json();
  const atEnd = window.innerHeight + window.scrollY >= document.body.scrollHeight - 120;
  if (told.head !== null) document.getElementById("job-head").innerHTML = told.head;
  for (const each of told.steps) update(steps, each);
  for (const html of told.fresh) steps.insertAdjacentHTML("beforeend", html);
  Object.assign(steps.dataset, { cursor: told.cursor, head: told.fingerprint });
  document.getElementById("quiet").hidden = steps.childElementCount > 0;
  if (told.done) document.querySelector("[data-live-dot]")?.remove();
  if (atEnd && steps.dataset.moved) window.scrollTo(0, document.body.scrollHeight);
  tick();
  return told.done;
}

const steps = document.getElementById("steps");
if (steps && steps.dataset.done === "no") {
  steps.addEventListener("click", (event) => {
    const step = event.target.closest(".step > summary")?.parentElement;
    if (step) step.dataset.touched = "yes";
  });
  window.addEventListener("scroll", () => { steps.dataset.moved = "yes"; }, { once: true });
  repeatedly(700, () => follow(steps));
}
if (document.querySelector("main[data-live]")) repeatedly(1500, refresh);
document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
setInterval(tick, 1000);
tick();
