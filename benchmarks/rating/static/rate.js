// What the page can do beyond a plain form: keys, drafts that survive a reload, comparison in full size.
"use strict";

const form = document.querySelector("form.rating");
const groups = [...form.querySelectorAll("fieldset")];
const save = form.querySelector("button[type=submit]");
const steps = [];
let current = null;

const radios = (group) => [...group.querySelectorAll("input[type=radio]")];
const answer = (group) => radios(group).find((radio) => radio.checked);
const open = () => groups.filter((group) => !answer(group));

function mark(group) {
  for (const element of form.querySelectorAll(".current")) element.classList.remove("current");
  current = group;
  if (!group) return;
  group.classList.add("current");
  group.closest(".card").classList.add("current");
}

function moveTo(group) {
  mark(group);
  (group ? answer(group) ?? radios(group)[0] : save).focus({ preventScroll: true });
  (group ? group.closest(".card") : save).scrollIntoView({ block: "nearest" });
}

function showLeft() {
  const count = open().length;
  form.querySelector("[data-left]").textContent = count ? `${groups.length - count} of ${groups.length} answered` : "All answered";
}

// Drafts: one entry an item; its revision tells whether the answers are older than what is stored.
const [draftItem, draftRevision] = form.dataset.draft.split(".");
const draftKey = `draft.${draftItem}`;

function keepDraft() {
  const answers = Object.fromEntries(groups.map(answer).filter(Boolean).map((radio) => [radio.name, radio.value]));
  try {
    localStorage.setItem(draftKey, JSON.stringify({ revision: draftRevision, answers }));
  } catch {
    // A browser that stores nothing still rates.
  }
}

function restoreDraft() {
  try {
    const draft = JSON.parse(localStorage.getItem(draftKey) ?? "null");
    if (draft?.revision !== draftRevision) return localStorage.removeItem(draftKey);
    for (const radio of groups.flatMap(radios)) {
      if (radio.name in draft.answers) radio.checked = draft.answers[radio.name] === radio.value;
    }
  } catch {
    // As above.
  }
}

function rate(point) {
  const group = current ?? open()[0] ?? groups[0];
  const radio = radios(group)[point - 1];
  if (!radio) return;
  steps.push([group, answer(group)]);
  radio.checked = true;
  changed();
  const later = groups.slice(groups.indexOf(group) + 1);
  moveTo(later.find((one) => !answer(one)) ?? open()[0] ?? null);
}

function changed() {
  showLeft();
  keepDraft();
}

function stepBack() {
  const step = steps.pop();
  if (!step) return document.querySelector("#undo")?.requestSubmit();
  const [group, before] = step;
  for (const radio of radios(group)) radio.checked = radio === before;
  changed();
  moveTo(group);
}

function moveBy(distance) {
  const place = groups.indexOf(current ?? open()[0] ?? groups[0]) + distance;
  moveTo(groups[Math.min(Math.max(place, 0), groups.length - 1)]);
}

// The comparison: one picture as large as the window, the source in its place while Space or a finger is down.
const source = form.querySelector(".source img");
const dialog = document.createElement("dialog");
dialog.innerHTML =
  '<div class="look"><div><strong></strong><span class="soft">Hold Space or the picture to see the source</span>' +
  '<button type="button" class="quiet small">Close</button></div><img alt=""></div>';
document.body.append(dialog);
const [name, picture] = [dialog.querySelector("strong"), dialog.querySelector("img")];
let shown = null;

function show(image, title) {
  picture.src = image.src;
  picture.alt = name.textContent = title;
}

function compare(link) {
  shown = link;
  show(link.querySelector("img"), `Picture ${link.dataset.letter}`);
  if (!dialog.open) dialog.showModal();
}

const showSource = () => show(source, "Source");
const showPicture = () => dialog.open && compare(shown);

dialog.querySelector("button").addEventListener("click", () => dialog.close());
picture.addEventListener("pointerdown", showSource);
for (const end of ["pointerup", "pointercancel", "pointerleave"]) picture.addEventListener(end, showPicture);
picture.addEventListener("contextmenu", (event) => event.preventDefault());
for (const link of form.querySelectorAll(".card .picture")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    compare(link);
  });
}

const MOVES = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const onRadio = event.target.matches?.("input[type=radio]");
  if (dialog.open) {
    if (event.key === " ") showSource();
    else if (event.key.toLowerCase() === "c") dialog.close();
    else return;
  } else if (/^[1-9]$/.test(event.key)) rate(Number(event.key));
  else if (event.key.toLowerCase() === "u") stepBack();
  else if (event.key.toLowerCase() === "c") compare((current ?? groups[0]).closest(".card").querySelector(".picture"));
  else if (event.key in MOVES && !onRadio) moveBy(MOVES[event.key]);
  else if (event.key === "Enter" && !event.target.closest("a, button")) submitOrShow();
  else return;
  event.preventDefault();
}

function submitOrShow() {
  if (open().length) moveTo(open()[0]);
  form.requestSubmit();
}

document.addEventListener("keydown", onKey);
document.addEventListener("keyup", (event) => {
  if (event.key !== " " || !dialog.open) return;
  showPicture();
  event.preventDefault(); // or the button that has the focus is pressed
});
form.addEventListener("focusin", (event) => {
  const group = event.target.closest("fieldset");
  if (group) mark(group);
});
form.addEventListener("change", changed);
form.addEventListener("submit", () => setTimeout(() => (save.disabled = true)));
// A page that the browser kept alive shows an old state.
window.addEventListener("pageshow", (event) => event.persisted && location.reload());
window.addEventListener("load", () => {
  for (const address of form.dataset.preload.split(" ")) new Image().src = address;
});

restoreDraft();
showLeft();
mark(open()[0] ?? groups[0]);
