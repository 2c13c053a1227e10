// The viewer of one pair, cards of the most promising ones, strips of places seen again, and the table of all.

function words(bytes) {
  const raw = atob(bytes), out = new Uint16Array(raw.length / 2);
  for (let i = 0; i < out.length; i++) out[i] = raw.charCodeAt(2 * i) | raw.charCodeAt(2 * i + 1) << 8;
  return out;
}

/** Draws lines over two figures that lie one above the other; ends are shares of each picture in 1/65535. */
function drawMatches(both, figures, ends, inliers, withOthers) {
  both.querySelector("svg")?.remove();
  const frame = both.getBoundingClientRect();
  if (!frame.width) return;
  const [a, b] = figures.map((figure) => {
    const box = figure.getBoundingClientRect();
    return {left: box.left - frame.left, top: box.top - frame.top, width: box.width, height: box.height};
  });
  const layer = svg("svg", {viewBox: `0 0 ${frame.width} ${frame.height}`, "aria-hidden": "true"});
  for (let n = ends.length / 4 - 1; n >= 0; n--) {
    if (n >= inliers && !withOthers) continue;
    const at = (box, i) => [box.left + ends[4 * n + i] / 65535 * box.width, box.top + ends[4 * n + i + 1] / 65535 * box.height];
    const [x1, y1] = at(a, 0), [x2, y2] = at(b, 2);
    const group = svg("g", {class: n < inliers ? "in" : "out"});
    group.append(svg("line", {x1, y1, x2, y2}), svg("circle", {cx: x1, cy: y1, r: 1.8}), svg("circle", {cx: x2, cy: y2, r: 1.8}));
    layer.append(group);
  }
  both.append(layer);
}

let lookAt = () => {};
let present = () => {};
let compareTwo = null;
function setUpViewer() {
  const viewer = document.getElementById("viewer");
  if (!viewer) return;
  const head = make("h2", {id: "viewer-title"}, "Pair");
  const status = make("p", {class: "dim", "aria-live": "polite"});
  const both = make("div", {class: "both"});
  const facts = make("dl");
  const others = make("label", {}, make("input", {type: "checkbox"}), "matches that do not agree");
  const close = make("button", {type: "button", class: "close", onclick: () => viewer.classList.remove("open")}, "Close");
  const previous = make("button", {type: "button", "aria-label": "Previous pair", onclick: () => step(-1)}, "←");
  const next = make("button", {type: "button", "aria-label": "Next pair", onclick: () => step(1)}, "→");
  const position = make("span", {class: "dim"});
  const bar = make("div", {class: "tools"}, previous, next, position, make("span", {class: "push"}), close);
  viewer.append(head, bar, status, both, make("div", {class: "tools"}, others), facts);
  let figures = [], shown = null;
  const frame = (keyframe, what) => make("figure", {}, picture(keyframe, `${what} at ${nameOf(keyframe)}`),
    make("figcaption", {}, `${what}: ${nameOf(keyframe)}`));
  const redraw = paced(() => {
    const found = shown;
    others.hidden = !found || found.ends.length < 4;
    if (found && figures.length === 2) {
      drawMatches(both, figures.map((f) => f.firstChild), words(found.ends), found.inliers, others.firstChild.checked);
    } else both.querySelector("svg")?.remove();
  });
  others.addEventListener("change", redraw);
  new ResizeObserver(redraw).observe(both);
  onChoice((pair, open) => {
    const q = pairs.q[pair], k = pairs.k[pair], stage = pairs.stage[pair];
    shown = data.matches && data.matches[pair];
    const list = walked(), at = list.indexOf(pair);
    const kind = classOf(pair);
    head.textContent = stage === GIVEN ? (data.words.closure || "Loop closure") : data.words.pair || "Pair";
    position.textContent = `${at + 1} of ${list.length}`;
    const right = pairs.right[pair];
    status.replaceChildren(make("span", {class: `badge ${kind}`}, stage === GIVEN && right != null
      ? (right ? "right" : "wrong") : stageNames[stage]), " ",
      stage === GIVEN ? "" : pairs.reason[pair] >= 0 ? data.reasons[pairs.reason[pair]] : "",
      stage !== GIVEN && right != null ? ` — ${right ? "the same place" : "another place"} ${data.words.by}` : "");
    figures = [frame(q, "query"), frame(k, "keyframe")];
    both.replaceChildren(...figures);
    for (const image of both.querySelectorAll("img")) image.addEventListener("load", redraw);
    const rows = [["similarity", fixed(pairs.s[pair], 3)]];
    if (pairs.p[pair] != null) rows.unshift(["probability", probability(pairs.p[pair])]);
    if (pairs.m[pair] != null) rows.push(["features that agree", `${pairs.i[pair]} of ${pairs.m[pair]} matches`]);
    else if (pairs.i[pair]) rows.push(["features that agree", `${pairs.i[pair]}`]);
    if (pairs.c[pair] != null) rows.push(["spread over", `${Math.round(100 * pairs.c[pair])} % of the image`]);
    if (pairs.len[pair]) rows.push(["in line", `${pairs.len[pair]} keyframes, share ${fixed(pairs.sh[pair], 2)}, ahead by ${fixed(pairs.adv[pair], 2)}`]);
    if (pairs.held[pair]) rows.push(["waited", clock(pairs.held[pair])]);
    if (pairs.pose[pair]) rows.push(["pose", pairs.pose[pair]]);
    if (pairs.apart[pair] != null) rows.push([data.words.apart, `${fixed(pairs.apart[pair], 1)} m`]);
    if (keyframes.stamp) rows.push(["stamps [ns]", `${keyframes.stamp[q]}, ${keyframes.stamp[k]}`]);
    facts.replaceChildren(...rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
    if (open) viewer.classList.add("open");
    redraw();
  });
  lookAt = (keyframe, other) => {
    chosen = -1;
    shown = null;
    head.textContent = "Keyframe";
    position.textContent = "";
    status.textContent = "";
    figures = [frame(keyframe, "keyframe"), ...(other == null || other === keyframe ? [] : [frame(other, "beside it")])];
    both.replaceChildren(...figures);
    const own = pairs.q.map((_, i) => i).filter((i) => pairs.q[i] === keyframe);
    facts.replaceChildren(make("dt", {}, "compared with"), make("dd", {}, own.length ? "" : "none"));
    for (const i of own) {
      facts.lastChild.append(make("button", {type: "button", onclick: () => choose(i)},
        `${nameOf(pairs.k[i])}: ${stageNames[pairs.stage[i]]}`), " ");
    }
    others.hidden = true;
    if (compareTwo && other != null && other !== keyframe) {
      facts.append(make("dt", {}, "these two"), make("dd", {}, make("button", {type: "button",
        onclick: () => compareTwo(keyframe, other)}, "Do they show one place?")));
    }
    viewer.classList.add("open");
  };
  present = (what) => {
    chosen = -1;
    head.textContent = what.title;
    position.textContent = "";
    status.replaceChildren(make("span", {class: `badge ${what.kind}`}, what.badge), " ", what.status);
    figures = what.figures.map(([image, words]) => make("figure", {}, image.cloneNode(true), make("figcaption", {}, words)));
    both.replaceChildren(...figures);
    for (const image of both.querySelectorAll("img")) image.addEventListener("load", redraw);
    facts.replaceChildren(...what.rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
    shown = what.matches;
    viewer.classList.add("open");
    redraw();
  };
  const first = data.first ?? closures[0];
  if (first != null && first < pairs.q.length) choose(first, {open: false});
  else if (keyframes.t.length) {
    lookAt(0);
    viewer.classList.remove("open");
  }
}

function mark(host, attribute) {
  onChoice((pair) => {
    for (const node of host.querySelectorAll(`[${attribute}=true]`)) node.setAttribute(attribute, "false");
    const node = host.querySelector(`[data-pair="${pair}"]`);
    if (node) node.setAttribute(attribute, "true");
  });
}

/** The most promising pairs of one kind. */
views.cards = (host, spec) => {
  const grid = make("div", {class: "cards"});
  host.append(grid, addInParts(spec.pairs, 6, 12, (pair) => {
    const q = pairs.q[pair], k = pairs.k[pair];
    const verdict = pairs.right[pair] == null ? null
      : make("span", {class: `badge ${pairs.right[pair] ? "right" : "refused"}`}, pairs.right[pair] ? "same place" : "other place");
    grid.append(make("button", {type: "button", "data-pair": pair, onclick: () => choose(pair)},
      make("span", {class: "two"}, picture(q, `At ${nameOf(q)}`), picture(k, `At ${nameOf(k)}`)),
      make("span", {class: "said"}, verdict, verdict ? " " : "", `${nameOf(q)} and ${nameOf(k)}: `, caption(pair))));
  }));
  mark(grid, "aria-current");
};
function caption(pair) {
  const parts = [`similarity ${fixed(pairs.s[pair], 2)}`];
  if (pairs.m[pair] != null) parts.push(`${pairs.i[pair]} of ${pairs.m[pair]} matches agree`);
  if (pairs.p[pair] != null) parts.push(`probability ${probability(pairs.p[pair])}`);
  if (pairs.stage[pair] !== GIVEN && pairs.reason[pair] >= 0) parts.push(data.reasons[pairs.reason[pair]]);
  return parts.join("; ");
}

/** Places that were seen again: what was seen then above what is seen now. */
views.visits = (host, spec) => {
  const list = make("ol", {class: "visits"});
  for (const visit of spec.visits) {
    const strip = make("div", {class: "strip", tabindex: "0", role: "group", "aria-label": visit.title});
    for (const pair of visit.pairs) {
      const q = pairs.q[pair], k = pairs.k[pair];
      strip.append(make("button", {type: "button", "data-pair": pair, onclick: () => choose(pair),
        "aria-label": `${nameOf(q)} seen before at ${nameOf(k)}`},
        make("figure", {}, picture(k, ""), make("span", {}, nameOf(k))),
        make("figure", {}, picture(q, ""), make("span", {}, nameOf(q)))));
    }
    list.append(make("li", {}, make("h3", {}, visit.title), make("p", {class: "dim"}, visit.text), strip));
  }
  host.append(list);
  mark(list, "aria-current");
};

/** Sessions as pictures in order of time. */
views.strips = (host, spec) => {
  for (const {title, spots} of spec.strips) {
    const strip = make("div", {class: "strip", tabindex: "0", role: "group", "aria-label": title});
    for (const spot of spots) {
      strip.append(make("button", {type: "button", "aria-label": `Keyframe at ${nameOf(spot)}`, onclick: () => lookAt(spot)},
        make("figure", {}, picture(spot, ""), make("span", {}, nameOf(spot)))));
    }
    host.append(make("h3", {}, title), strip);
  }
};

const columns = [
  {key: "q", name: "query", of: (i) => keyframes.t[pairs.q[i]], show: (i) => nameOf(pairs.q[i])},
  {key: "k", name: "keyframe", of: (i) => keyframes.t[pairs.k[i]], show: (i) => nameOf(pairs.k[i])},
  {key: "stage", name: "what became of it", of: (i) => pairs.stage[i], show: (i) => stageNames[pairs.stage[i]]},
  {key: "right", name: "truth", of: (i) => pairs.right[i], show: (i) => pairs.right[i] == null ? "–" : pairs.right[i] ? "same place" : "other place"},
  {key: "p", name: "probability", of: (i) => pairs.p[i], show: (i) => probability(pairs.p[i])},
  {key: "s", name: "similarity", of: (i) => pairs.s[i], show: (i) => fixed(pairs.s[i], 3)},
  {key: "i", name: "agree", of: (i) => pairs.i[i], show: (i) => pairs.m[i] == null ? `${pairs.i[i]}` : `${pairs.i[i]} of ${pairs.m[i]}`},
  {key: "held", name: "waited", of: (i) => pairs.held[i], show: (i) => pairs.held[i] ? clock(pairs.held[i]) : "–"},
  {key: "reason", name: "reason", of: (i) => pairs.reason[i], show: (i) => pairs.reason[i] < 0 ? "" : data.reasons[pairs.reason[i]], wide: true},
];
const PAGE = 25;
/** All pairs, sorted by any column, a page at a time. */
views.pairs = (host) => {
  const used = columns.filter(({key}) => pairs[key] && pairs[key].some((value) => value != null && value !== -1));
  let sort = {key: "q", down: false}, from = 0, rows = [];
  const stages = make("select", {"aria-label": "Which pairs"}, make("option", {value: ""}, `all pairs (${pairs.q.length})`));
  for (const stage of [GIVEN, SURE, AGREES, COMPARED]) {
    const count = pairs.stage.filter((value) => value === stage).length;
    if (count) stages.append(make("option", {value: stage}, `${stageNames[stage]} (${count})`));
  }
  if (closures.length) stages.value = String(GIVEN);
  const body = make("tbody"), heads = make("tr");
  const place = make("span", {class: "dim", "aria-live": "polite"});
  const turn = (by) => { from = Math.max(0, Math.min(from + by, Math.floor((rows.length - 1) / PAGE) * PAGE)); fill(); };
  const back = make("button", {type: "button", onclick: () => turn(-PAGE)}, "Previous");
  const on = make("button", {type: "button", onclick: () => turn(PAGE)}, "Next");
  for (const column of used) {
    const button = make("button", {type: "button", onclick: () => {
      sort = {key: column.key, down: sort.key === column.key ? !sort.down : false};
      order();
    }}, column.name);
    heads.append(make("th", {scope: "col", "data-key": column.key}, button));
  }
  host.append(make("div", {class: "tools"}, stages, make("span", {class: "push"}), place, back, on),
    make("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": "Compared pairs"},
      make("table", {class: "pick"}, make("thead", {}, heads), body)));
  function order() {
    const column = used.find(({key}) => key === sort.key);
    rows = pairs.q.map((_, i) => i).filter((i) => stages.value === "" || pairs.stage[i] === +stages.value);
    rows.sort((a, b) => {
      const x = column.of(a), y = column.of(b);
      // What is unknown comes last, whichever way.
      if (x == null || y == null) return (x == null) - (y == null);
      return (sort.down ? -1 : 1) * (x - y) || a - b;
    });
    for (const head of heads.children) {
      head.setAttribute("aria-sort", head.dataset.key !== sort.key ? "none" : sort.down ? "descending" : "ascending");
      head.firstChild.textContent = used.find(({key}) => key === head.dataset.key).name
        + (head.dataset.key !== sort.key ? "" : sort.down ? " ▼" : " ▲");
    }
    from = 0;
    fill();
  }
  function fill() {
    body.replaceChildren(...rows.slice(from, from + PAGE).map((pair) => make("tr", {"data-pair": pair,
      "aria-selected": String(pair === chosen)}, ...used.map((column, n) => {
      if (n === 0) return make("td", {}, make("button", {type: "button", onclick: () => choose(pair)}, column.show(pair)));
      return make("td", {class: column.wide ? "wide" : ""}, column.show(pair));
    }))));
    place.textContent = rows.length ? `${from + 1} to ${Math.min(from + PAGE, rows.length)} of ${rows.length}` : "none";
    back.disabled = from === 0;
    on.disabled = from + PAGE >= rows.length;
  }
  body.addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    if (row && !event.target.closest("button")) choose(+row.dataset.pair);
  });
  stages.addEventListener("change", order);
  order();
  mark(body, "aria-selected");
};
