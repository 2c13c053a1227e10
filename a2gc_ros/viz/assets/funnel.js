// How many keyframes came how far, and what another limit would have let through.
views.funnel = (host, spec) => {
  const bars = make("div", {class: "bars"});
  const most = Math.max(1, ...spec.steps.map((s) => s.all ?? 0), ...spec.steps.map((s) => s.known ?? 0));
  const known = spec.steps.some((s) => s.known != null);
  const bar = (count, kind, label) => {
    if (count == null) return null;
    const drawing = svg("svg", {viewBox: "0 0 100 10", preserveAspectRatio: "none", role: "img",
      "aria-label": `${label}: ${count}`});
    drawing.append(svg("rect", {class: kind, x: 0, y: 0, width: 100 * count / most, height: 10}));
    return make("div", {class: "bar"}, drawing, make("b", {}, `${count}`));
  };
  for (const step of spec.steps) {
    bars.append(make("div", {class: "what"}, step.name), make("div", {class: "pair"},
      bar(step.all, "all", "all keyframes"), bar(step.known, "known", "revisits")));
  }
  if (known) host.append(make("div", {class: "tools"}, make("span", {class: "swatch accent"}), "all keyframes",
    make("span", {class: "swatch right"}), "revisits, with a right pair"));
  host.append(bars);
  const judged = pairs.q.map((_, i) => i).filter((i) => pairs.p[i] != null && pairs.len[i] >= spec.min_agreeing);
  if (!judged.length) return;
  // A slider over nines: from 0.5 to 0.999999.
  const slider = make("input", {type: "range", min: 0.3, max: SURE_TO, step: 0.05, value: nines(1 - spec.rate),
    "aria-label": "Probability that is asked for"});
  const said = make("output");
  const holder = make("div", {class: "tools what-if"}, make("span", {}, "If a probability of"), slider, said);
  const text = make("p", {class: "dim"});
  const list = make("div", {class: "cards"});
  const asked = 1 - spec.rate;
  let moved = false;
  const change = () => {
    const rate = moved ? 10 ** -Number(slider.value) : spec.rate, least = 1 - rate;
    said.textContent = `${probability(least)} were asked for`;
    const sure = judged.filter((i) => pairs.p[i] >= least);
    const keyframesSure = new Set(sure.map((i) => pairs.q[i]));
    const now = new Set(judged.filter((i) => pairs.p[i] >= asked).map((i) => pairs.q[i]));
    const verdicts = sure.filter((i) => pairs.right[i] != null);
    const wrong = verdicts.filter((i) => !pairs.right[i]).length;
    text.textContent = (moved ? `${counted(keyframesSure.size, "keyframe")} would be sure, ${now.size} are at ${probability(asked)}.`
      : `${counted(now.size, "keyframe")} would be sure, as in this run.`)
      + (verdicts.length ? ` Of their ${counted(verdicts.length, "pair")} ${wrong} show truly another place.` : "")
      + (moved ? ` Try it: --set max_false_positive_rate=${+rate.toPrecision(2)}.` : " Move the slider to ask for more or less.")
      + " Poses that contradict one another are left out after that.";
    // Those that the change is about, the least sure first.
    const [low, high] = least < asked ? [least, asked] : [asked, least];
    const between = judged.filter((i) => pairs.p[i] >= low && pairs.p[i] < high).sort((a, b) => pairs.p[a] - pairs.p[b]);
    const seen = new Set(), few = [];
    for (const i of between) if (!seen.has(pairs.q[i]) && few.length < 6) { seen.add(pairs.q[i]); few.push(i); }
    list.replaceChildren(...few.map((pair) => make("button", {type: "button", "data-pair": pair, onclick: () => choose(pair)},
      make("span", {class: "two"}, picture(pairs.q[pair], ""), picture(pairs.k[pair], "")),
      make("span", {class: "said"}, `${least < asked ? "would come in" : "would go"}: ${caption(pair)}`))));
  };
  slider.addEventListener("input", () => { moved = true; change(); });
  host.append(make("h3", {}, "What another limit would do"), holder, text, list);
  change();
};
