// What a page can ask where a2gc serve stands behind it: where a picture was taken, whether two keyframes show one place.
async function asked(path, body) {
  const answer = await fetch(path, {method: "POST", body, headers: {"X-A2GC": "1"}});
  const found = await answer.json().catch(() => ({error: `the server answered ${answer.status}`}));
  if (!answer.ok) throw new Error(found.error);
  return found;
}
const jpeg = (bytes, alt) => bytes ? make("img", {src: `data:image/jpeg;base64,${bytes}`, alt})
  : make("div", {class: "none", role: "img", "aria-label": `${alt}: no picture was kept`});

/** Shows an answer in the viewer, beside what it was asked about. */
function showAnswer(asking, found, title) {
  present({
    title, kind: found.verified ? "right" : "refused", badge: found.verified ? "one place" : "not the same, as far as can be seen",
    status: found.reason,
    figures: [[asking, "asked about"], [jpeg(found.picture, "keyframe"), `${found.session}, keyframe ${found.keyframe_id}`]],
    rows: [["similarity", fixed(found.similarity, 3)], ["features that agree", `${found.inliers} of ${found.matches} matches`],
      ["spread over", `${Math.round(100 * found.coverage)} % of the image`],
      ["position [m]", found.position_m ? found.position_m.join(", ") : "not known"], ["stamp [ns]", found.stamp_ns]],
    matches: found.drawn,
  });
}

views.ask = (host) => {
  const input = make("input", {type: "file", accept: "image/jpeg,image/png", id: "ask-file", class: "hidden-file"});
  const camera = make("input", {type: "checkbox"});
  const status = make("p", {"aria-live": "polite"}), answers = make("div", {class: "cards"});
  const zone = make("label", {class: "drop", for: "ask-file"}, "Drop a picture here, or choose one (JPEG or PNG)");
  host.append(input, zone, make("div", {class: "tools"}, make("label", {}, camera,
    "taken by the map's own camera, so that there may be a pose")), status, answers);
  const ask = async (file) => {
    if (!file) return;
    status.textContent = "Looking …";
    answers.replaceChildren();
    try {
      const found = await asked(`/api/locate?same_camera=${camera.checked ? 1 : 0}`, file);
      const agreed = found.answers.filter((answer) => answer.verified).length;
      status.textContent = agreed ? `${agreed} of the ${found.answers.length} keyframes most like it agree in geometry.`
        : "None of the keyframes most like it agrees in geometry: the map may not know this place.";
      found.answers.forEach((answer, at) => {
        const open = () => showAnswer(jpeg(found.picture, "the picture"), answer, `Answer ${at + 1}`);
        answers.append(make("button", {type: "button", onclick: open}, make("span", {class: "two"},
          jpeg(found.picture, "the picture"), jpeg(answer.picture, "keyframe")), make("span", {class: "said"},
          make("span", {class: `badge ${answer.verified ? "right" : "refused"}`}, answer.verified ? "agrees" : "does not agree"), " ",
          `${answer.session}, keyframe ${answer.keyframe_id}: similarity ${fixed(answer.similarity, 2)}, ${answer.inliers} of ${answer.matches} matches agree`)));
        if (!at) open();
      });
    } catch (error) {
      status.textContent = `That did not work: ${error.message}`;
    }
  };
  input.addEventListener("change", () => {
    ask(input.files[0]);
    // So that the same file can be asked about again.
    input.value = "";
  });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    zone.addEventListener(kind, (event) => {
      event.preventDefault();
      zone.classList.toggle("over", kind === "dragover");
      if (kind === "drop") ask(event.dataTransfer.files[0]);
    });
  }
};

/** Two keyframes of a map, by their numbers or by a click on the matrix. */
views.verify = (host) => {
  const field = (name) => make("input", {type: "number", min: 1, step: 1, "aria-label": `Number of the ${name} keyframe`, placeholder: name});
  const a = field("one"), b = field("other"), status = make("p", {"aria-live": "polite"});
  const ask = async () => {
    status.textContent = "Comparing …";
    try {
      const found = await asked("/api/verify", JSON.stringify({query: +a.value, keyframe: +b.value}));
      const row = data.keyframe_ids.indexOf(+a.value);
      const asking = row < 0 ? make("div", {class: "none"}) : picture(row, `keyframe ${a.value}`);
      status.textContent = found.verified ? "They show one place." : `They do not agree: ${found.reason}.`;
      showAnswer(asking, found, `Keyframes ${a.value} and ${b.value}`);
    } catch (error) {
      status.textContent = `That did not work: ${error.message}`;
    }
  };
  const form = make("form", {class: "tools"}, a, b, make("button", {}, "Compare"));
  form.addEventListener("submit", (event) => { event.preventDefault(); ask(); });
  host.append(form, status);
  compareTwo = (one, other) => {
    a.value = data.keyframe_ids[one];
    b.value = data.keyframe_ids[other];
    return ask();
  };
};
