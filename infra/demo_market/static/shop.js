"use strict";
// Pictures below the fold load when they come near the window, as on real shop pages.
const watch = new IntersectionObserver((seen) => {
  for (const entry of seen) {
    if (!entry.isIntersecting) continue;
    entry.target.src = entry.target.dataset.src;
    entry.target.classList.add("loaded");
    watch.unobserve(entry.target);
  }
}, { rootMargin: "240px" });
const observe = (root) => root.querySelectorAll("img.lazy:not(.loaded)").forEach((img) => watch.observe(img));
observe(document);

const main = document.getElementById("main");
document.querySelectorAll("[data-big]").forEach((thumb) => thumb.addEventListener("mouseover", () => {
  main.src = thumb.dataset.big;
  document.querySelectorAll("[data-big]").forEach((other) => other.classList.toggle("on", other === thumb));
}));
document.querySelectorAll(".sku button").forEach((button) => button.addEventListener("click", () => {
  button.parentElement.querySelectorAll("button").forEach((other) => other.classList.toggle("on", other === button));
  if (button.dataset.price) document.querySelectorAll("#price").forEach((place) => { place.textContent = button.dataset.price; });
}));
document.querySelectorAll("[data-countdown]").forEach((clock) => {
  let left = Number(clock.dataset.countdown);
  setInterval(() => {
    left = Math.max(0, left - 1);
    clock.textContent = [left / 3600, (left / 60) % 60, left % 60].map((n) => String(Math.floor(n)).padStart(2, "0")).join(":");
  }, 1000);
});

const feed = document.getElementById("feed");
if (feed) {
  const end = document.getElementById("feed-end");
  let page = 1, busy = false;
  new IntersectionObserver(async (seen) => {
    if (busy || !seen.some((entry) => entry.isIntersecting)) return;
    if (page >= Number(feed.dataset.pages)) { end.textContent = "—— 已经到底啦 ——"; return; }
    busy = true;
    page += 1;
    const part = document.createElement("template");
    part.innerHTML = await (await fetch(feed.dataset.feed + page)).text();
    observe(part.content);
    feed.append(part.content);
    observe(feed);
    busy = false;
  }, { rootMargin: "600px" }).observe(end);
}
