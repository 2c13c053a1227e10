// What every view shares: the page's data, the pair that is looked at, colors, and small makers of elements.
const data = JSON.parse(document.getElementById("data").textContent);
const keyframes = data.keyframes || {t: []};
const pairs = data.pairs || {q: []};
const root = document.documentElement;
const SVG = "http://www.w3.org/2000/svg";

/** Makes an element; text is always text, never markup. */
function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

/** Adds the first items of a list now, and returns a button that adds more of them. */
function addInParts(items, first, next, add) {
  const more = make("button", {type: "button", onclick: () => show(next)});
  let shown = 0;
  const show = (count) => {
    items.slice(shown, shown + count).forEach((item) => add(item));
    shown = Math.min(items.length, shown + count);
    more.textContent = `Show more (${items.length - shown})`;
    more.hidden = shown >= items.length;
  };
  show(first);
  return more;
}

function svg(tag, attributes = {}) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

/** Picture of a keyframe, or an empty frame where none was kept. */
function picture(keyframe, alt) {
  const bytes = data.album && data.album[keyframe];
  if (!bytes) return make("div", {class: "none", role: "img", "aria-label": `${alt}: no picture was kept`});
  return make("img", {src: `data:${data.album_type};base64,${bytes}`, alt, loading: "lazy", decoding: "async"});
}

const colors = {};
function readColours() {
  const style = getComputedStyle(root);
  for (const name of ["bg", "card", "ink", "dim", "line", "soft", "accent", "right", "wrong", "held", "refused", "missed",
    "path"]) colors[name] = style.getPropertyValue(`--${name}`).trim();
}

// Viridis without its ends, so that it shows on light and dark ground.
const RAMP = ["#c9b01c", "#7fb83a", "#35a56b", "#1f8a8c", "#2f6c9e"];
const SURE_FROM = 2, SURE_TO = 6;
/** Nines of a probability: 0.999 has three. */
const nines = (p) => p == null ? null : Math.min(SURE_TO, -Math.log10(Math.max(1 - p, 1e-9)));
function sureColour(p) {
  const share = ((nines(p) ?? SURE_FROM) - SURE_FROM) / (SURE_TO - SURE_FROM);
  return RAMP[Math.max(0, Math.min(RAMP.length - 1, Math.floor(share * RAMP.length)))];
}

const GIVEN = 3, SURE = 2, AGREES = 1, COMPARED = 0;
const stageNames = data.words?.stages || ["refused by geometry", "not sure enough", "sure, not given out", "closure"];
const stageClasses = ["refused", "held", "held", "right"];
/** What pairs between refused and given out are called together: some may have been sure, and another was taken. */
const heldName = pairs.stage?.includes(SURE) ? "held back" : stageNames[AGREES];
const counted = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
function classOf(pair) {
  if (pairs.stage[pair] === GIVEN) return pairs.right[pair] === false ? "wrong" : "right";
  return stageClasses[pairs.stage[pair]];
}

function fixed(value, digits) {
  return value == null ? "–" : value.toFixed(digits);
}
function probability(value) {
  if (value == null) return "–";
  if (value < 0.99) return value.toFixed(2);
  return value >= 0.9999995 ? "> 0.999999" : value.toFixed(Math.min(7, 1 + Math.ceil(nines(value)))).replace(/(\.\d*9)0+$/, "$1");
}
function clock(seconds) {
  if (seconds == null) return "–";
  // Rounded first: 119.97 s are 2:00.0, not 1:60.0.
  const tenths = Math.round(10 * Math.abs(seconds));
  const whole = Math.floor(tenths / 600);
  return whole ? `${whole}:${(tenths % 600 / 10).toFixed(1).padStart(4, "0")}` : `${seconds.toFixed(1)} s`;
}
/** Words for a keyframe. */
function nameOf(keyframe) {
  const map = keyframes.map ? keyframes.map[keyframe] : 0;
  const when = clock(keyframes.t[keyframe]);
  return map && !(data.words?.quiet && data.maps.length === 2) ? `${data.maps[map]}, ${when}` : when;
}

// --- the pair that is looked at ---------------------------------------------------------------------------------------
const listeners = [];
let chosen = -1;
function onChoice(listener) { listeners.push(listener); }
function choose(pair, {open = true} = {}) {
  if (pair == null || pair < 0 || pair >= pairs.q.length) return;
  chosen = pair;
  for (const listener of listeners) listener(pair, open);
}
/** Closures in order of time, for the arrow keys. */
const closures = [];
for (let i = 0; i < pairs.q.length; i++) if (pairs.stage[i] === GIVEN) closures.push(i);
closures.sort((a, b) => keyframes.t[pairs.q[a]] - keyframes.t[pairs.q[b]] || pairs.rank[a] - pairs.rank[b]);
function step(by) {
  const list = walked();
  if (!list.length) return;
  const at = list.indexOf(chosen);
  choose(list[at < 0 ? 0 : (at + by + list.length) % list.length]);
}
/** What the arrow keys walk through: closures, or where one that was no closure is looked at, those of its stage. */
function walked() {
  if (chosen < 0 || pairs.stage[chosen] === GIVEN) return closures;
  const stage = pairs.stage[chosen];
  return pairs.q.map((_, i) => i).filter((i) => pairs.stage[i] === stage);
}

const redraws = [];
/** Asks for a redraw when colors or sizes change. */
function onRedraw(redraw) { redraws.push(redraw); }

/** One pending frame at a time, however often it is asked for. */
function paced(work) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; work(); });
  };
}

const views = {};
