// The status page: asks for the document while somebody looks, and shows what has changed.

import { say } from "./dom.js";
import { showCost, showFoot, showJobs, showNumbers, showTrouble } from "./lines.js";
import { setUp, showMachines, write } from "./timeline.js";
import { clock, count, now, setClock, span, tickAll } from "./words.js";

const EVERY = 2;
const PATIENCE = 8;
const LONGEST = 30;
const root = document.documentElement;
const part = (id) => document.getElementById(id);
const state = { view: null, tag: "", failures: 0, lostSince: 0, why: "", timer: 0, asking: false };

// --- asking ----------------------------------------------------------------------------------------------------------

async function ask() {
  if (state.asking || document.hidden) return;
  state.asking = true;
  clearTimeout(state.timer);
  try {
    const headers = state.tag ? { "If-None-Match": state.tag } : {};
    const answer = await fetch("status.json", { headers, cache: "no-store", signal: AbortSignal.timeout(PATIENCE * 1000) });
    if (answer.status === 401 || answer.status === 403) throw new Error("the service does not let you in; load the page again");
    if (!answer.ok && answer.status !== 304) throw new Error(`the service answered ${answer.status}`);
    const fresh = answer.status === 304 ? null : await answer.json();
    setClock(answer.headers.get("Date"), fresh?.at);
    if (fresh) take(fresh, answer.headers.get("ETag") || "");
    found();
  } catch (error) {
    lost(error);
  }
  state.asking = false;
  wait();
}

function wait() {
  clearTimeout(state.timer);
  const pause = state.failures ? Math.min(LONGEST, EVERY * 2 ** (state.failures - 1)) : EVERY;
  if (!document.hidden) state.timer = setTimeout(ask, pause * 1000);
}

function take(view, tag) {
  const old = state.view;
  state.view = view;
  state.tag = tag;
  show();
  announce(old, view);
}

function found() {
  state.failures = 0;
  state.lostSince = 0;
  root.removeAttribute("data-stale");
  pulse();
}

function lost(error) {
  state.failures += 1;
  state.lostSince ||= now();
  // One lost answer is no news: the next one comes in two seconds.
  state.why = error.name === "TimeoutError" || error.name === "TypeError" ? "the service does not answer" : error.message;
  if (state.failures > 1 || !state.view) root.setAttribute("data-stale", "");
  pulse();
}

// --- showing ---------------------------------------------------------------------------------------------------------

function show() {
  const view = state.view;
  if (!view) return;
  showNumbers(view);
  showJobs(view, show);
  showMachines(view, show);
  showCost(view);
  showTrouble(view);
  showFoot(view);
  const live = Object.values(view.numbers.phases).reduce((sum, each) => sum + each, 0);
  const title = `${view.numbers.waiting ? `${view.numbers.waiting} waiting, ` : ""}${count(live, "machine")} · runnerkit`;
  if (document.title !== title) document.title = title;
  pulse();
  performance.mark("shown");
}

// What is said at the top: is what one sees true?
function pulse() {
  const view = state.view;
  const [tone, text, news] = state.lostSince && root.hasAttribute("data-stale") ? disconnected() : health(view);
  root.dataset.health = tone;
  say(part("pulse-text"), text);
  part("banner").hidden = !news;
  part("banner").className = `banner ${tone}`;
  say(part("banner"), news);
}

function disconnected() {
  const as = state.view ? ` What you see is as of ${clock(state.view.at, true)}.` : "";
  return ["bad", "not connected", `Connection lost since ${clock(state.lostSince, true)}: ${state.why}.${as} Trying again by itself.`];
}

function health(view) {
  if (!view) return ["idle", "connecting", ""];
  if (view.trouble) {
    const hint = view.trouble.hint ? ` ${view.trouble.hint}.` : "";
    const seen = view.passed === null ? "" : ` What you see is as of ${clock(view.passed, true)}.`;
    return ["warn", "passes fail", `Passes have failed since ${clock(view.trouble.since, true)}: ${view.trouble.message}.${hint} The next pass tries again.${seen}`];
  }
  if (view.passed === null) return ["idle", "first look under way", ""];
  const age = now() - view.passed;
  const late = age > 3 * view.about.interval + 60;
  const news = late ? `The last pass was ${span(age)} ago, though one is due every ${span(view.about.interval)}. Is the service busy, or stuck? Its log says.` : "";
  return [late ? "warn" : "good", `looked ${span(age)} ago`, news];
}

// For those who listen rather than look: only when the counts change.
function announce(old, view) {
  const counted = (each) => `${count(each.numbers.waiting, "job waits", "jobs wait")}, ${count(each.machines.filter((one) => one.until === null).length, "machine lives", "machines live")}`;
  if (old && counted(old) !== counted(view)) say(part("told"), `${counted(view)}.`);
}

// --- day and night -----------------------------------------------------------------------------------------------------

function turn() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const is = root.dataset.theme || (dark ? "dark" : "light");
  root.dataset.theme = is === "dark" ? "light" : "dark";
  write("runnerkit-theme", root.dataset.theme);
}

part("theme").addEventListener("click", turn);
document.addEventListener("visibilitychange", ask);
addEventListener("online", ask);
setUp(show);
setInterval(() => {
  if (document.hidden) return;
  tickAll();
  if (state.view) showNumbers(state.view);
  pulse();
}, 1000);
setInterval(() => { if (!document.hidden && state.view) showMachines(state.view, show); }, 15000);
ask();
