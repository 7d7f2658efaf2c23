// The reference `node`: a Node that starts, prints the listening line of the servers, and waits.

console.log("node listening on http://127.0.0.1:0");
setInterval(() => undefined, 2 ** 30);
