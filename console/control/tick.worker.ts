/** Ticks once a second, in a hidden page too: browsers slow down the timers of pages, not those of workers. */
setInterval(() => {
  postMessage(0);
}, 1_000);
