// Runs in the reader's browser: keys, steps and sizes of a deck. Without it the slides can still be scrolled, read and printed.
(() => {
  const root = document.documentElement;
  const slides = [...document.querySelectorAll(".slide")];
  const upright = matchMedia("(max-width: 40rem)");
  const steps = (slide) => [...slide.querySelectorAll(".step")];
  let black = false;

  const current = () => {
    const tops = slides.map((slide) => Math.abs(slide.getBoundingClientRect().top));
    return tops.indexOf(Math.min(...tops));
  };

  /** The address is that of the slide in view. */
  const remember = (slide) => history.replaceState(null, "", `#${slide.id}`);

  const show = (index) => {
    const slide = slides[Math.min(Math.max(index, 0), slides.length - 1)];
    slide.scrollIntoView({ block: "start", behavior: "instant" });
    remember(slide);
    document.activeElement?.blur?.();
  };

  const forward = () => {
    const index = current();
    const hidden = steps(slides[index]).find((step) => !step.classList.contains("come"));
    if (hidden) hidden.classList.add("come");
    else show(index + 1);
  };

  const back = () => {
    const index = current();
    const last = steps(slides[index]).findLast((step) => step.classList.contains("come"));
    if (last) last.classList.remove("come");
    else show(index - 1);
  };

  const keys = {
    ArrowRight: forward,
    ArrowDown: forward,
    PageDown: forward,
    " ": forward,
    ArrowLeft: back,
    ArrowUp: back,
    PageUp: back,
    Home: () => show(0),
    End: () => show(slides.length - 1),
    f: () => (document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen?.()),
    s: () => {
      root.classList.toggle("with-notes");
      fit();
    },
    b: () => {
      black = !black;
      root.classList.toggle("dark-screen", black);
    },
  };

  /** Whether the browser has something to move at this key: what does not fit and has the focus is read to its end first. */
  const scrolls = (focused, { key, shiftKey }) => {
    const [across, down] =
      { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], PageDown: [0, 1], ArrowUp: [0, -1], PageUp: [0, -1] }[key] ??
      (key === " " ? [0, shiftKey ? -1 : 1] : [0, 0]);
    for (let box = focused; box && box !== document.body && box !== root; box = box.parentElement) {
      const { overflowX, overflowY } = getComputedStyle(box);
      const room = (direction, at, inner, outer) => (direction > 0 ? at + outer + 1 < inner : direction < 0 && at > 0);
      if (/auto|scroll/.test(overflowX) && room(across, box.scrollLeft, box.scrollWidth, box.clientWidth)) return true;
      if (/auto|scroll/.test(overflowY) && room(down, box.scrollTop, box.scrollHeight, box.clientHeight)) return true;
      if (box.classList.contains("slide")) return false;
    }
    return false;
  };

  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || upright.matches) return;
    if (event.key === " " && event.target.closest?.("summary, a")) return; // opens what is folded
    if (scrolls(document.activeElement, event)) return;
    const act = event.key === " " && event.shiftKey ? back : keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  /** Makes smaller what is higher than its slide, or wider, down to half; what is still too large can be scrolled. */
  const fit = () => {
    for (const body of document.querySelectorAll(".body")) {
      const inner = body.firstElementChild;
      const tooLarge = () =>
        Math.min(
          (body.clientHeight + 1) / body.scrollHeight,
          ...[body, ...body.querySelectorAll(".scroll, .math, pre.text")].map((box) => (box.clientWidth + 1) / box.scrollWidth),
        );
      inner.style.zoom = 1;
      let zoom = 1;
      for (let turn = 0; turn < 8 && tooLarge() < 1 && zoom > 0.5; turn++) {
        zoom = Math.max(0.5, zoom * Math.min(0.97, Math.sqrt(tooLarge())));
        inner.style.zoom = zoom;
      }
      if (tooLarge() < 1) body.tabIndex = 0;
      else body.removeAttribute("tabindex");
    }
  };

  root.classList.add("scripted");
  fit();
  document.fonts.ready.then(fit);
  addEventListener("resize", fit);
  addEventListener("toggle", fit, true); // something was unfolded
  if (!upright.matches) {
    history.scrollRestoration = "manual"; // the address says where a deck is, when it is loaded anew too
    addEventListener("scrollend", () => remember(slides[current()]));
    document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
  }
})();
