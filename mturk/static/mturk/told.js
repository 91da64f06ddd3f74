// Tells the worker's page, wherever above this one it is, that something became of the answer.
const about = JSON.parse(document.getElementById("frame-about").textContent);
if (top !== self) top.postMessage({ frame: about.nonce, kind: about.kind || "refused" }, about.site);
