// The reference `node`: a Node that has started and waits, and says so as the servers do.

console.log("node listening on http://127.0.0.1:0");
setInterval(() => undefined, 2 ** 30);
