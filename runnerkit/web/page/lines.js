// Numbers, jobs, cost and trouble: everything but the machines.

import { code, h, keyed, link, mark, name, once, say, table } from "./dom.js";
import { clock, count, counts, many, money, now, short, span, when } from "./words.js";

const SHORT = 25;
const LABEL = "runs-on: runnerkit=${{ github.run_id }}/gpu=t4";
const STATES = {
  refused: "refused", failed: "failed", waiting: "waiting", unserved: "nobody’s", launching: "launching", coming: "on its way",
};
const PHASES = ["busy", "ready", "booting", "registered", "lost", "gone", "stopped", "unnamed", "dangling", "unknown"];

const body = (id) => document.getElementById(id);

// --- numbers ---------------------------------------------------------------------------------------------------------

// What has been spent grows while one looks, by what the machines cost now.
const grown = (sum, view) => sum + (view.numbers.dollars_an_hour * Math.max(0, now() - view.at)) / 3600;

function tiles(view) {
  const n = view.numbers;
  const live = Object.values(n.phases).reduce((sum, each) => sum + each, 0);
  const phases = PHASES.filter((each) => n.phases[each]).map((each) => `${n.phases[each]} ${each}`);
  const oldest = view.jobs.length ? `longest ${span(now() - Math.min(...view.jobs.map((job) => job.since)))}` : "no job waits";
  const refused = view.jobs.filter((job) => job.state === "refused").length;
  return [
    ["waiting", "Jobs waiting", many(n.waiting), [refused && `${refused} refused`, oldest], n.blocked ? "warn" : ""],
    ["machines", "Machines", many(live), phases.length ? phases : ["none runs"], ""],
    ["queue", "Queue time", n.queue_p50 === null ? "–" : short(n.queue_p50), n.taken ? [`9 of 10 in ${span(n.queue_p90)}`, count(n.taken, "job")] : ["no job began in 24 h"], ""],
    ["rate", "Spending now", `${money(n.dollars_an_hour)}/h`, [n.unpriced ? `${n.unpriced} without a price` : live ? "by the second" : "nothing runs"], ""],
    ["today", "Spent today", money(grown(n.dollars_today, view)), [`7 days ${money(grown(n.dollars_week, view))}`], ""],
    ["saved", "Saved by spot today", money(n.saved_today), [`7 days ${money(n.saved_week)}${share(n)}`], "good"],
    ["launches", "Launches, 24 h", many(n.launches), [count(n.interruptions, "interruption"), count(n.reruns, "re-run")], ""],
  ];
}

function share(n) {
  const whole = n.saved_week + n.dollars_week;
  return n.saved_week > 0 ? ` (${Math.round((100 * n.saved_week) / whole)} %)` : "";
}

export function showNumbers(view) {
  keyed(body("numbers"), tiles(view), (tile) => tile[0], ([id, label]) => {
    const big = h("dd", { class: "big" });
    const small = h("dd", { class: "small" });
    const node = h("div", { "data-number": id }, h("dt", {}, label), big, small);
    const update = ([, , value, notes, tone]) => {
      say(big, value);
      const told = notes.filter(Boolean);
      once(small, told, () => told.flatMap((each, index) => [index ? " · " : "", h("span", { class: "whole" }, each)]));
      mark(node, "class", tone || null);
    };
    return { node, update };
  });
}

// --- jobs ------------------------------------------------------------------------------------------------------------

let allJobs = false;

export function showJobs(view, again) {
  const place = body("jobs-body");
  const states = Object.keys(STATES).map((state) => [state, view.jobs.filter((job) => job.state === state).length]);
  say(body("jobs-sum"), states.filter(([, number]) => number).map(([state, number]) => `${number} ${STATES[state]}`).join(" · "));
  if (!view.jobs.length) {
    place.said = undefined;
    place.list = undefined;
    once(place, "empty", () => empty("No job waits.", "A job with ", h("code", {}, LABEL), " appears here within a second of its webhook, and says what it waits for."));
    return;
  }
  if (!place.list) {
    place.said = undefined;
    place.list = table("Queued jobs and why they do not run yet", [["State"], ["Job"], ["Why"], ["Waits", "right"], ["Next try", "right"]]);
    place.more = h("button", { type: "button", class: "more" });
    place.more.addEventListener("click", () => { allJobs = !allJobs; again(); });
    place.replaceChildren(place.list.node, place.more);
    place.list.node.classList.add("jobs");
  }
  keyed(place.list.body, allJobs ? view.jobs : view.jobs.slice(0, SHORT), (job) => job.id, jobRow);
  place.more.hidden = view.jobs.length <= SHORT;
  say(place.more, allJobs ? `Show the first ${SHORT}` : `Show all ${count(view.jobs.length, "job")}`);
}

function jobRow() {
  const state = h("span", { class: "pill" });
  const title = h("td", { class: "who" });
  const why = h("td", { class: "why" });
  const age = h("span");
  const next = h("span");
  const node = h("tr", {}, h("td", {}, state), title, why, h("td", { class: "right num", "data-label": "waits" }, age), h("td", { class: "right num", "data-label": "next try" }, next));
  const update = (job) => {
    mark(node, "data-job", job.id);
    mark(state, "data-state", job.state);
    say(state, STATES[job.state]);
    once(title, [job.url, job.title, job.repo, job.labels], () => [
      h("div", { class: "strong" }, link(job.url, name(job.title || `job ${job.id}`))),
      h("div", { class: "soft" }, name(job.repo)),
      h("div", { class: "soft labels" }, ...job.labels.map((label) => h("code", {}, name(label)))),
    ]);
    once(why, [job.why, job.hint, job.machine], () => [
      h("div", {}, job.why, job.machine ? " " : "", job.machine ? h("code", {}, name(job.machine)) : ""),
      job.hint ? h("div", { class: "soft" }, job.hint) : null,
    ]);
    counts(age, "since", job.since);
    counts(next, "until", job.until);
    if (job.until === null) say(next, job.state === "refused" || job.state === "unserved" ? "never by itself" : job.state === "coming" || job.state === "launching" ? "–" : "next pass");
  };
  return { node, update };
}

export function empty(strong, ...rest) {
  return h("p", { class: "card empty" }, h("strong", {}, strong), " ", ...rest);
}

// --- cost ------------------------------------------------------------------------------------------------------------

// A table of a few rows, made anew when one of them has changed.
function small(id, caption, columns, items, row, nothing) {
  once(body(id), items, () => {
    if (!items.length) return [h("h3", {}, caption), empty(...nothing)];
    const made = table(caption, columns);
    made.body.append(...items.map(row));
    return made.node;
  });
}

const cell = (text, label) => h("td", { class: "right num", "data-label": label }, text);

export function showCost(view) {
  const most = Math.max(...view.repos.map((each) => each.week), 0.01);
  const repos = [["Repository"], ["Today", "right"], ["7 days", "right"], ["Saved by spot", "right"]];
  small("repos-body", "By repository", repos, view.repos.slice(0, 12), (each) => {
    const bar = h("span", { class: "bar-part", "aria-hidden": "true" });
    bar.style.width = `${Math.max(1, (100 * each.week) / most)}%`;
    const who = h("td", { class: "who" }, link(`${view.about.web}/${each.repo}`, name(each.repo)), bar);
    return h("tr", {}, who, cell(money(each.today), "today"), cell(money(each.week), "7 days"), cell(money(each.saved), "saved"));
  }, ["Nothing was spent.", "What a repository’s machines cost adds up here."]);
  const runs = [["Run"], ["Machines", "right"], ["Last", "right"], ["Dollars", "right"]];
  small("runs-body", "Dearest runs", runs, view.runs, (each) => {
    const who = h("td", { class: "who" }, link(each.url, name(`${each.repo} #${each.run}`)), each.going ? h("span", { class: "pill", "data-state": "going" }, "running") : null);
    return h("tr", {}, who, cell(many(each.machines), "machines"), cell(when(each.last), "last"), cell(money(each.dollars), "dollars"));
  }, ["No run had a machine.", "The dearest runs of the week appear here."]);
}

// --- trouble ---------------------------------------------------------------------------------------------------------

export function showTrouble(view) {
  const pools = [["Code"], ["Pool"], ["Times", "right"], ["Last", "right"], ["Remembered", "right"]];
  small("refusals-body", "What AWS refused", pools, view.refusals, (each) => {
    const until = h("td", { class: "right num", "data-label": "remembered" });
    counts(until, "left", each.until);
    const pool = h("td", { "data-label": "pool" }, h("div", {}, each.type), h("div", { class: "soft" }, `${each.zone} · ${each.market}`));
    return h("tr", { title: each.message || null }, h("td", { class: "who" }, code(each.code)), pool, cell(String(each.times), "times"), cell(when(each.last), "last"), until);
  }, ["AWS refused nothing.", "Pools that say no are left out for a while, and listed here with the code."]);
  const failures = [["When"], ["What"], ["Why"]];
  small("failures-body", "What failed", failures, view.failures, (each) => {
    const why = h("td", { class: "why" }, h("div", {}, each.message || each.code), each.hint ? h("div", { class: "soft" }, each.hint) : null);
    const what = h("td", { class: "who" }, h("div", {}, each.what, each.times > 1 ? ` (${each.times} times)` : ""), each.runner ? h("div", { class: "soft" }, name(each.runner)) : null);
    return h("tr", {}, h("td", { class: "num soft" }, when(each.at)), what, why);
  }, ["Nothing failed.", "A launch or an action that fails is tried again in the next pass, and told here."]);
}

export function showFoot(view) {
  const about = view.about;
  const budget = view.github && view.github.remaining !== null ? `GitHub: ${many(view.github.remaining)} of ${count(view.github.limit ?? 0, "call")} left${view.github.reset ? `, full again at ${clock(view.github.reset)}` : ""}` : "";
  const parts = [about.version && `runnerkit ${about.version}`, about.owner && `installation ${about.owner}`, about.regions.length && about.regions.join(", "), budget];
  say(body("foot"), parts.filter(Boolean).join(" · "));
  const served = about.served;
  say(body("scope"), served.length > 3 ? `${served.slice(0, 2).join(", ")} and ${served.length - 2} more` : served.join(", "));
}
