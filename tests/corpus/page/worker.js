fetch('/dyn/from-worker').then((a) => a.text()).then((t) => postMessage(t));
